// Buffer classes and spans, as FORMAT.md section 12 has them: class numbers stand in chunk tables.

import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { cellUnitBytes } from "./address.ts";
import {
  bufferBytes,
  bufferClassCount,
  bufferClassFor,
  buffersPerChunk,
  buffersPerSpan,
  isBufferClass,
  spansPerChunk,
} from "./buffer-class.ts";
import { bufferImageBytes } from "./data-buffer.ts";

const classes = Array.from({ length: bufferClassCount }, (_, sizeClass) => sizeClass);

/** The rows of FORMAT.md's table of classes, without their titles. */
function documented(): string[][] {
  const text = readFileSync(new URL("../FORMAT.md", import.meta.url), "utf8");
  const start = text.indexOf("\n| class |");
  const rows = text.slice(start + 1, text.indexOf("\n\n", start)).split("\n");
  return [rows[0], rows[2], rows[3]].map((row) => {
    const cells = (row as string).split("|").map((cell) => cell.trim());
    return cells.slice(2, -1);
  });
}

test("the classes of FORMAT.md have the sizes and spans that it says", () => {
  const [names, bytes, buffers] = documented() as [string[], string[], string[]];
  expect(names.length).toBeGreaterThan(10);
  for (const [i, name] of names.entries()) {
    for (const sizeClass of name.split(",").map(Number)) {
      expect(bufferBytes(sizeClass)).toBe(Number(bytes[i]?.replaceAll(",", "")));
      expect(buffersPerSpan(sizeClass)).toBe(Number(buffers[i]));
    }
  }
});

/** The rule that FORMAT.md states, for classes 0 to 57. */
function ruled(sizeClass: number): number {
  let valueBytes = 32 * sizeClass;
  if (sizeClass > 8) {
    const base = 256 * 2 ** Math.floor((sizeClass - 9) / 4);
    valueBytes = base + (base / 4) * (((sizeClass - 9) % 4) + 1);
  }
  const content = sizeClass === 57 ? 1024 + 2 ** 20 : 24 + valueBytes;
  return Math.ceil((64 + content) / cellUnitBytes) * cellUnitBytes;
}

test("58 classes have the sizes of the rule, none smaller than the one before", () => {
  const sizes = classes.map(bufferBytes);
  // A class more at the end is no break; another size for an old number is.
  expect(sizes).toEqual(Array.from({ length: 58 }, (_, sizeClass) => ruled(sizeClass)));
  expect(sizes).toEqual(sizes.toSorted((a, b) => a - b));
  for (const wrong of [-1, bufferClassCount, 0.5, Number.NaN]) {
    expect(isBufferClass(wrong)).toBe(false);
    expect(() => bufferBytes(wrong)).toThrow(/no buffer class/);
  }
});

test("a version goes to the first class that holds it", () => {
  const check = (imageBytes: number): void => {
    const sizeClass = bufferClassFor(imageBytes);
    expect(isBufferClass(sizeClass)).toBe(true);
    expect(bufferBytes(sizeClass)).toBeGreaterThanOrEqual(imageBytes);
    if (sizeClass > 0) expect(bufferBytes(sizeClass - 1)).toBeLessThan(imageBytes);
  };
  for (const sizeClass of classes) {
    for (const more of [-1, 0, 1]) {
      const bytes = bufferBytes(sizeClass) + more;
      if (bytes <= bufferBytes(bufferClassCount - 1)) check(bytes);
    }
  }
  const most = bufferImageBytes(1024, 2 ** 20);
  fc.assert(fc.property(fc.integer({ min: 1, max: most }), check));
  check(most);
  expect(() => bufferClassFor(most + 1)).toThrow(/no buffer holds/);
});

test("a value and a key of 24 bytes waste at most a quarter of a buffer from 256 bytes on", () => {
  fc.assert(
    fc.property(fc.integer({ min: 256, max: 2 ** 20 }), (valueBytes) => {
      const imageBytes = bufferImageBytes(24, valueBytes);
      const bytes = bufferBytes(bufferClassFor(imageBytes));
      expect((bytes - imageBytes) / bytes).toBeLessThan(0.25);
    }),
  );
});

test("spans divide a chunk's buffers without rest, in no chunk more than fit", () => {
  for (const chunkBytes of [2 ** 22, 2 ** 24, 2 ** 26]) {
    for (const sizeClass of classes) {
      const buffers = buffersPerChunk(chunkBytes, sizeClass);
      const spans = spansPerChunk(chunkBytes, sizeClass);
      const each = buffersPerSpan(sizeClass);
      expect(buffers * bufferBytes(sizeClass)).toBeLessThanOrEqual(chunkBytes);
      expect((buffers + 1) * bufferBytes(sizeClass)).toBeGreaterThan(chunkBytes);
      expect(each).toBeGreaterThan(0);
      expect(each).toBeLessThanOrEqual(256);
      const last = buffers - (spans - 1) * each;
      expect(last).toBeGreaterThan(0);
      expect(last).toBeLessThanOrEqual(each);
      if (each > 1) expect(each * bufferBytes(sizeClass)).toBeLessThanOrEqual(2 ** 20);
    }
  }
});
