// The hot path: window borders, bounds, and the order of a word and what it guards.

import { mkdtempSync, rmSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "@pdpm/base";
import { afterEach, beforeEach, expect, test } from "vitest";
import { MappedRegion } from "./mapped-region.ts";
import { createRegionFile } from "./region-file.ts";

const sizeBytes = 2 ** 20;
const first = 4096;
const windowBytes = 8192;
let directory: string;
let region: MappedRegion;
beforeEach(async () => {
  directory = mkdtempSync("/dev/shm/pdpm-bytes-");
  await createRegionFile(directory, sizeBytes);
  region = MappedRegion.open(directory, systemClock, { windowBytes });
});
afterEach(async () => {
  await region.close();
  rmSync(directory, { recursive: true });
});

function wordsOf(bytes: Uint8Array): bigint[] {
  return [...new BigUint64Array(Uint8Array.from(bytes).buffer)];
}

test("reads and writes that cross windows move exact bytes", () => {
  const mirror = new Uint8Array(5 * windowBytes);
  const places = [
    [windowBytes - 8, 16],
    [windowBytes - 1, 2],
    [windowBytes - 3, 2 * windowBytes + 6],
    [2 * windowBytes, windowBytes],
    [first, 3 * windowBytes],
  ] as const;
  for (const [index, [offset, length]] of places.entries()) {
    const data = Uint8Array.from({ length }, (_, at) => (at * 13 + index * 5 + 1) & 0xff);
    region.write(offset, data);
    mirror.set(data, offset);
    const back = new Uint8Array(length);
    region.read(offset, back);
    expect(back).toEqual(data);
  }
  const all = new Uint8Array(mirror.length - first);
  region.read(first, all);
  expect(all).toEqual(mirror.subarray(first));
});

test("offsets that are out of the region, negative or no number throw and touch nothing", () => {
  const eight = new Uint8Array(8);
  for (const offset of [sizeBytes - 7, sizeBytes, 2 ** 40, -1, -8, Number.NaN]) {
    for (const use of [
      () => region.read(offset, eight),
      () => region.write(offset, eight),
      () => region.flush(offset, 8),
    ]) {
      expect(use, String(offset)).toThrow(
        expect.objectContaining({ code: "PDPM_INVALID_ARGUMENT" }),
      );
    }
  }
  expect(() => region.compareAndSwap(first + 4, 0n, 1n)).toThrow(/not aligned/);
});

test("a header that promises more than the file has is corrupt, not a crash", () => {
  truncateSync(join(directory, "region.pm"), sizeBytes / 2);
  expect(() => region.read(first, new Uint8Array(8))).toThrow(/PDPM_CORRUPT.*the file has 524288/);
});

test("a size word that went down is corrupt, not a smaller region", () => {
  region.read(first, new Uint8Array(8));
  region.header.store("sizeBytes", BigInt(sizeBytes / 2));
  expect(() => region.sizeBytes).toThrow(/PDPM_CORRUPT/);
  region.header.store("sizeBytes", BigInt(sizeBytes));
  expect(region.sizeBytes).toBe(sizeBytes);
});

/**
 * A buffer whose `set`, which is where a read copies, lets a writer act in the middle: after the
 * bytes behind the first word were copied and before that word is.
 */
class Interrupted extends Uint8Array {
  writer: () => void = () => undefined;

  override set(source: ArrayLike<number>, offset = 0): void {
    const bytes = Uint8Array.from(source);
    super.set(bytes.subarray(8), offset + 8);
    this.writer();
    super.set(source, offset);
    super.set(bytes.subarray(8), offset + 8);
  }
}

test("the first word of a read is never newer than what it guards", () => {
  for (const offset of [first, first + 64, windowBytes - 8, first + 4]) {
    const aligned = Math.ceil(offset / 8) * 8;
    const skew = aligned - offset;
    let version = 0n;
    const write = (): void => {
      version += 1n;
      region.write(aligned, new Uint8Array(new BigUint64Array([version, version, version]).buffer));
    };
    write();
    const target = new Interrupted(24 + skew);
    target.writer = write;
    region.read(offset, target);
    const [word, guarded] = wordsOf(target.subarray(skew)) as [bigint, bigint];
    expect(word > 0n && word <= guarded, `word ${word} guards ${guarded}`).toBe(true);
  }
});

test("a word that is stable is read with its bytes in one copy", () => {
  region.write(first, new Uint8Array(64).fill(0xfe));
  const target = new Interrupted(64);
  let copies = 0;
  target.writer = () => {
    copies += 1;
  };
  region.read(first, target);
  expect(copies).toBe(1);
  expect([...target]).toEqual(Array(64).fill(0xfe));
});
