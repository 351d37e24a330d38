// Cells in hand: each ends in one place, and a span is given back only when nothing of it is in
// hand.

import { addressIn, addressOf, bufferBytes, gcVersionMost, pointerTo } from "@pdpm/layout";
import { bitmapBytes } from "@pdpm/metadata-server/protocol";
import { expect, test } from "vitest";
import { CellPool, cellsIn, setBit } from "./cell-pool.ts";
import { nextLife } from "./refill.ts";

const none = (): Uint8Array => new Uint8Array(bitmapBytes);
const bits = (...set: number[]): Uint8Array => {
  const bitmap = none();
  for (const bit of set) setBit(bitmap, bit);
  return bitmap;
};
const cell = (index: number, chunk = 1) => pointerTo(addressOf(chunk, index * bufferBytes(0)), 1);

function pool(...indexes: number[]): CellPool {
  const made = new CellPool();
  made.add(
    0,
    { chunk: 1, span: 0 },
    indexes.map((index) => cell(index)),
    none(),
  );
  return made;
}

test("neighbours are taken one after the other", () => {
  const cells = pool(4, 5, 9);
  expect([cells.take(0), cells.take(0), cells.take(0)]).toEqual([cell(4), cell(5), cell(9)]);
  expect(cells.take(0)).toBeUndefined();
});

test("a span of which everything is mapped is reported, with nothing unused", () => {
  const cells = pool(0, 1);
  for (const pointer of [cells.take(0), cells.take(0)]) {
    expect(cells.hasUsedUp).toBe(false);
    cells.mapped(0, pointer as bigint);
  }
  expect(cells.takeUsedUp()).toEqual([{ chunk: 1, span: 0, bitmap: none(), spent: none() }]);
  expect(cells.hasUsedUp).toBe(false);
});

test("an idle span is given back with what is unused; one in somebody's hands is not", () => {
  const cells = pool(0, 1, 2);
  const held = cells.take(0) as bigint;
  expect(cells.takeIdle(() => true)).toEqual([]);
  cells.mapped(0, held);
  expect(cells.takeIdle((chunk) => chunk === 2)).toEqual([]);
  expect(cells.takeIdle(() => true)).toEqual([
    { chunk: 1, span: 0, bitmap: bits(1, 2), spent: none() },
  ]);
  expect(cells.take(0)).toBeUndefined();
});

test("what a refill asks for doubles up to a bound, and so does the low-water mark", () => {
  const cells = new CellPool();
  expect(cells.lowWater(0)).toBe(0);
  const wanted = Array.from({ length: 10 }, () => cells.want(0));
  expect(wanted.slice(0, 3)).toEqual([32, 64, 128]);
  expect(wanted.at(-1)).toBe(4096);
  expect(cells.lowClasses()).toEqual([0]);
  const large = new CellPool();
  expect(Array.from({ length: 10 }, () => large.want(55)).at(-1)).toBeLessThan(16);
});

test("the next life of a cell is one above the last, and the last one is spent", () => {
  const address = addressIn(cell(7));
  expect(nextLife(address, 0n)).toBe(pointerTo(address, 1));
  expect(nextLife(address, pointerTo(address, 8))).toBe(pointerTo(address, 9));
  expect(nextLife(address, pointerTo(address, gcVersionMost))).toBe("spent");
  expect(nextLife(address, pointerTo(address + 64, 8))).toBe("damaged");
  expect(nextLife(address, 12345n)).toBe("damaged");
});

test("the cells of a part are those of its bits", () => {
  const part = { chunk: 2, span: 1, bitmap: bits(0, 255) };
  expect(cellsIn(part, 0)).toEqual([
    { address: addressOf(2, 256 * bufferBytes(0)), bit: 0 },
    { address: addressOf(2, 511 * bufferBytes(0)), bit: 255 },
  ]);
});
