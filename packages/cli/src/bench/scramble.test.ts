// Scrambling is one to one, so no two records share a key.

import { expect, test } from "vitest";
import { fnv53, recordKey, recordNumberMax } from "./scramble.ts";

function fnvByBigint(value: number): number {
  let hash = 0xcbf29ce484222325n;
  let rest = BigInt(value);
  for (let i = 0; i < 8; i += 1) {
    hash = ((hash ^ (rest & 0xffn)) * 0x100000001b3n) & 0xffff_ffff_ffff_ffffn;
    rest >>= 8n;
  }
  return Number(hash >> 11n);
}

test("the hash is FNV-1a", () => {
  for (const value of [0, 1, 255, 256, 65_537, 2 ** 31, 2 ** 32 + 5, 2 ** 47 - 1, 2 ** 53 - 1]) {
    expect(fnv53(value)).toBe(fnvByBigint(value));
  }
  for (let value = 0; value < 20_000; value += 7) expect(fnv53(value)).toBe(fnvByBigint(value));
});

test("keys are user and 16 digits, all different", () => {
  const keys = new Set<string>();
  for (let record = 0; record < 100_000; record += 1) keys.add(recordKey(record));
  expect(keys.size).toBe(100_000);
  for (const key of keys) if (!/^user\d{16}$/.test(key)) expect.fail(key);
  expect(recordKey(recordNumberMax)).toMatch(/^user\d{16}$/);
});

test("keys do not change between versions: histories and stores outlive them", () => {
  const keys = [0, 1, 2, 1_000_000].map(recordKey);
  expect(keys).toMatchInlineSnapshot(`
    [
      "user2324858821399849",
      "user3259322583075727",
      "user0340790253336836",
      "user1707609096479934",
    ]
  `);
});

test("the order of keys has nothing to do with the order of records", () => {
  let rising = 0;
  for (let record = 0; record < 10_000; record += 1) {
    if (recordKey(record) < recordKey(record + 1)) rising += 1;
  }
  expect(rising).toBeGreaterThan(4800);
  expect(rising).toBeLessThan(5200);
});

test("keys spread evenly over their range", () => {
  const counts = new Array<number>(64).fill(0);
  const draws = 64_000;
  for (let record = 0; record < draws; record += 1) {
    const part = Math.floor((Number(recordKey(record).slice(4)) / 2 ** 52) * 64);
    counts[part] = (counts[part] ?? Number.NaN) + 1;
  }
  const chiSquare = counts.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
  // 63 degrees of freedom: above 104 is one chance in a thousand.
  expect(chiSquare).toBeLessThan(104);
});

test("a record number out of range is our bug", () => {
  expect(() => recordKey(-1)).toThrow(/negative/);
  expect(() => recordKey(0.5)).toThrow(/integer/);
  expect(() => recordKey(Number.NaN)).toThrow(/integer/);
  expect(() => recordKey(recordNumberMax + 1)).toThrow(/52 bits/);
});
