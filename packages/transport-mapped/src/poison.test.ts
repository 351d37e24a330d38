// A failed flush: who learns of it, when, and what nobody does afterwards (design H18).

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@pdpm/base";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type CallFailure, type Libc, systemLibc } from "./libc.ts";
import { MappedRegion, type MappedRegionOptions } from "./mapped-region.ts";
import { createRegionFile } from "./region-file.ts";

const sizeBytes = 2 ** 20;
const first = 4096;
const eight = new Uint8Array(8).fill(1);
let directory: string;
const opened: MappedRegion[] = [];
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "pdpm-mapped-"));
  await createRegionFile(directory, sizeBytes);
});
afterEach(async () => {
  await Promise.all(opened.map((region) => region.close()));
  opened.length = 0;
  rmSync(directory, { recursive: true });
});

function open(options: MappedRegionOptions = {}): MappedRegion {
  const region = MappedRegion.open(directory, systemClock, options);
  opened.push(region);
  return region;
}

function changed(overrides: Partial<Libc>): Libc {
  return new Proxy(systemLibc(), {
    get(target, name) {
      const instead = overrides[name as keyof Libc];
      return instead ?? (target[name as keyof Libc] as () => unknown).bind(target);
    },
  });
}

const broken: CallFailure = { errno: 5, text: "msync of 4096 bytes failed with EIO" };
const poisoned: unknown = expect.objectContaining({ code: "PDPM_POISONED" });
const closed: unknown = expect.objectContaining({ code: "PDPM_CLOSED" });

test("H18: a failed flush poisons the region, for all who opened it, before it is told", async () => {
  const other = open();
  const region = open({ libc: changed({ sync: async () => broken }) });
  region.write(first, eight);
  let wordWhenTold = 0n;
  const failure: unknown = await region.flush(first, 8)?.catch((error: unknown) => {
    wordWhenTold = region.header.load("poisoned");
    return error;
  });
  expect(failure).toMatchObject({ code: "PDPM_POISONED", outcome: "unknown" });
  expect(wordWhenTold).toBe(5n);
  for (const each of [region, other, open()]) {
    expect(() => each.read(first, new Uint8Array(8))).toThrow(poisoned as Error);
    expect(() => each.write(first, eight)).toThrow(poisoned as Error);
    expect(() => each.compareAndSwap(first, 0n, 1n)).toThrow(poisoned as Error);
    expect(() => each.flush(first, 8)).toThrow(poisoned as Error);
    await expect(each.extend(2 * sizeBytes)).rejects.toEqual(poisoned);
    await expect(each.flushAll()).rejects.toEqual(poisoned);
  }
});

test("a flush is never retried: what gathered behind a failed one fails unasked", async () => {
  let calls = 0;
  const libc = changed({
    sync: async () => {
      calls += 1;
      return calls === 1 ? broken : null;
    },
  });
  const region = open({ libc });
  const one = region.flush(first, 8);
  await Promise.resolve();
  const two = region.flush(first, 8);
  await expect(one).rejects.toEqual(poisoned);
  await expect(two).rejects.toEqual(poisoned);
  expect(calls).toBe(1);
});

test("a flush is not believed if another process met a failure meanwhile", async () => {
  const other = open();
  const libc = changed({
    sync: async () => {
      other.header.store("poisoned", 5n);
      return null;
    },
    syncFile: async () => {
      other.header.store("poisoned", 5n);
      return null;
    },
  });
  const region = open({ libc });
  await expect(region.flush(first, 8)).rejects.toEqual(poisoned);
  other.header.store("poisoned", 0n);
  await expect(region.flushAll()).rejects.toEqual(poisoned);
});

test("an msync that cannot even be called, and a failed flush of all, poison as well", async () => {
  const uncallable = open({
    libc: changed({ sync: () => Promise.reject(new Error("too many calls")) }),
  });
  await expect(uncallable.flush(first, 8)).rejects.toThrow(/too many calls/);
  expect(uncallable.header.load("poisoned")).toBe(5n);
  uncallable.header.store("poisoned", 0n);
  const failing = open({ libc: changed({ syncFile: async () => broken }) });
  await expect(failing.flushAll()).rejects.toEqual(poisoned);
  expect(failing.header.load("poisoned")).toBe(5n);
});

test("fsck can read a poisoned region, and it serves again once the word is cleared", async () => {
  const region = open();
  region.write(first, eight);
  region.header.store("poisoned", 5n);
  expect(() => region.read(first, new Uint8Array(8))).toThrow(poisoned as Error);
  const repair = open({ evenPoisoned: true });
  const target = new Uint8Array(8);
  repair.read(first, target);
  expect(target).toEqual(eight);
  await expect(repair.flush(first, 8)).rejects.toEqual(poisoned);
  repair.header.store("poisoned", 0n);
  await repair.flush(first, 8);
  region.read(first, target);
  await repair.close();
  expect(() => repair.read(first, target)).toThrow(closed as Error);
});
