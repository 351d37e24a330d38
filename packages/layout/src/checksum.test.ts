// The hash is written out here, so it is held against another implementation of xxh64.

import { Prng } from "@pdpm/base";
import { expect, test } from "vitest";
import xxhash from "xxhash-wasm";
import { checksum64, isStagedChecksum, stage } from "./checksum.ts";

const { h64Raw } = await xxhash();
const prng = new Prng(20_200_715);

function bytesOf(length: number): Uint8Array {
  return Uint8Array.from({ length }, () => prng.below(256));
}

test("it is xxh64, at every length up to 300 and at some large ones", () => {
  expect(checksum64(new Uint8Array(0))).toBe(0xef46db3751d8e999n);
  const lengths = Array.from({ length: 300 }, (_, length) => length);
  for (const length of [...lengths, 1024, 65_537, 2 ** 20 + 8192, 3 * 2 ** 20 + 1]) {
    const bytes = bytesOf(length);
    for (const seed of [0n, 1n, 64n * 2n ** 26n + 4096n, 2n ** 63n, 2n ** 64n - 1n]) {
      expect(checksum64(bytes, seed), `${length} bytes, seed ${seed}`).toBe(h64Raw(bytes, seed));
    }
  }
});

test("a checksum that stands among its bytes is compared in place, and any flipped bit shows", () => {
  for (const seed of [0, 1, 2 ** 31, 2 ** 32, 2 ** 46 - 64, Number.MAX_SAFE_INTEGER]) {
    const bytes = bytesOf(8 + 61);
    const view = new DataView(bytes.buffer);
    view.setBigUint64(0, h64Raw(bytes.subarray(8), BigInt(seed)), true);
    stage(bytes);
    expect(isStagedChecksum(0, 8, bytes.length, seed)).toBe(true);
    expect(isStagedChecksum(0, 8, bytes.length - 1, seed)).toBe(false);
    expect(isStagedChecksum(0, 8, bytes.length, seed === 0 ? 1 : seed - 1)).toBe(false);
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const at = bit >> 3;
      bytes[at] = (bytes[at] as number) ^ (1 << (bit & 7));
      stage(bytes);
      expect(isStagedChecksum(0, 8, bytes.length, seed), `bit ${bit}`).toBe(false);
      bytes[at] = (bytes[at] as number) ^ (1 << (bit & 7));
    }
  }
});

test("only bytes that were staged are compared", () => {
  stage(new Uint8Array(100));
  stage(new Uint8Array(40));
  expect(() => isStagedChecksum(33, 0, 8)).toThrow("no word at 33");
  expect(() => isStagedChecksum(0, 8, 41)).toThrow("8 to 41 are not staged");
});
