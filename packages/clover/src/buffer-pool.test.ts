// Buffers in hand: each is in one place, and a span is given back once nothing of it is in hand.

import { addressIn, addressOf, bufferBytes, gcVersionMost, pointerTo } from "@pdpm/layout";
import { bitmapBytes, type ReturnedPart } from "@pdpm/metadata-server/protocol";
import { expect, test } from "vitest";
import { addressesIn, BufferPool, markIn, nextLife } from "./buffer-pool.ts";

const sizeClass = 0;
const bytes = bufferBytes(sizeClass);
const buffer = (n: number, life = 1) => pointerTo(addressOf(3, n * bytes), life);
const name = { chunk: 3, span: 0 };

/** Which buffers of their span these bits are. */
function bits(bitmap: Uint8Array | undefined): number[] {
  const part = { ...name, bitmap: bitmap ?? new Uint8Array(bitmapBytes) };
  return addressesIn(part, sizeClass).map((address) => (address - addressOf(3, 0)) / bytes);
}

function reportOf(pool: BufferPool): { unused: number[]; spent: number[] }[] {
  const parts: ReturnedPart[] = pool.takeSpansToReport();
  return parts.map(({ bitmap, spent }) => ({ unused: bits(bitmap), spent: bits(spent) }));
}

function poolOf(...lives: number[]): BufferPool {
  const pool = new BufferPool();
  pool.add(
    sizeClass,
    name,
    lives.map((life, n) => buffer(n, life)),
  );
  return pool;
}

test("buffers come out lowest first, each once, and none when there is none", () => {
  const pool = poolOf(1, 1, 1);
  expect([pool.take(sizeClass), pool.take(sizeClass)]).toEqual([buffer(0), buffer(1)]);
  pool.give(sizeClass, buffer(0));
  expect([pool.take(sizeClass), pool.take(sizeClass)]).toEqual([buffer(0), buffer(2)]);
  expect(pool.take(sizeClass)).toBeUndefined();
  expect(pool.take(sizeClass + 1)).toBeUndefined();
  expect(pool.hasSpansToReport).toBe(false);
});

test("a span is reported when its last buffer was used, with those that were not linked", () => {
  const pool = poolOf(1, 1, 1);
  for (let i = 0; i < 3; i += 1) pool.take(sizeClass);
  pool.used(sizeClass, buffer(0));
  pool.used(sizeClass, buffer(1), true);
  expect(reportOf(pool)).toEqual([]);
  pool.used(sizeClass, buffer(2));
  expect(reportOf(pool)).toEqual([{ unused: [1], spent: [] }]);
  expect(reportOf(pool)).toEqual([]);
  expect(() => pool.used(sizeClass, buffer(2))).toThrow(/in hand/);
});

test("what is withdrawn leaves the pool at once, and its span when operations let go", () => {
  const pool = poolOf(1, 1, 1, 1);
  pool.take(sizeClass);
  pool.take(sizeClass);
  pool.used(sizeClass, buffer(0));
  pool.withdraw((chunk) => chunk === 4);
  expect(pool.count(sizeClass)).toBe(2);
  pool.withdraw((chunk) => chunk === 3);
  expect(pool.take(sizeClass)).toBeUndefined();
  expect(reportOf(pool)).toEqual([]);
  // Buffer 1 was held by an operation, which did not link it.
  pool.give(sizeClass, buffer(1));
  pool.withdraw(() => true);
  expect(reportOf(pool)).toEqual([{ unused: [1, 2, 3], spent: [] }]);
});

test("a buffer in its last life is spent when it was not linked: nobody knows if it was written", () => {
  const pool = poolOf(1, gcVersionMost, gcVersionMost);
  pool.take(sizeClass);
  pool.take(sizeClass);
  pool.used(sizeClass, buffer(0));
  pool.used(sizeClass, buffer(1, gcVersionMost));
  pool.withdraw(() => true);
  expect(reportOf(pool)).toEqual([{ unused: [], spent: [2] }]);
});

test("a lease without a usable buffer is reported at once", () => {
  const pool = new BufferPool();
  const spent = new Uint8Array(bitmapBytes);
  markIn(spent, sizeClass, addressIn(buffer(5)));
  pool.add(sizeClass, name, [], spent);
  expect(reportOf(pool)).toEqual([{ unused: [], spent: [5] }]);
});

test("refills double up to a bound, and begin small again when space is short", () => {
  const pool = new BufferPool();
  const wanted = Array.from({ length: 7 }, () => pool.want(sizeClass));
  expect(wanted).toEqual([128, 256, 512, 1024, 2048, 4096, 4096]);
  expect(pool.lowClasses()).toEqual([sizeClass]);
  pool.becomeModest();
  expect(pool.lowClasses()).toEqual([]);
  expect(pool.want(sizeClass)).toBe(128);
});

test("a life follows the one in memory; damage has none", () => {
  const address = addressOf(3, 7 * bytes);
  expect(nextLife(address, 0n)).toBe(pointerTo(address, 1));
  expect(nextLife(address, pointerTo(address, 8))).toBe(pointerTo(address, 9));
  expect(nextLife(address, pointerTo(address, gcVersionMost))).toBe("spent");
  expect(nextLife(address, pointerTo(address + bytes, 8))).toBeUndefined();
  expect(nextLife(address, 1n)).toBeUndefined();
});
