// Shortcuts: the cell of FORMAT.md section 13, and that nothing but a pointer leads anywhere.

import { keyBytes, toKey } from "@pdpm/kv";
import { addressOf, offsetOf, pointerTo, sealOf, withPending } from "@pdpm/layout";
import fc from "fast-check";
import { expect, test } from "vitest";
import { Shortcuts } from "./shortcuts.ts";

const pointer = pointerTo(addressOf(5, 1280), 3);

test("the cell of FORMAT.md: where greeting's stands, and the buffer that it leads to", () => {
  const shortcuts = new Shortcuts(2 ** 24);
  expect(shortcuts.cell(toKey("greeting"))).toBe(addressOf(0, 6_253_560));
  const bytes = Uint8Array.of(0x14, 0, 0x50, 0, 0, 3, 0, 0);
  expect(shortcuts.encode(pointer)).toEqual(bytes);
  expect(shortcuts.decode(bytes)).toBe(pointer);
});

test("every key has a cell in the root chunk, whichever way it was given", () => {
  for (const chunkBytes of [2 ** 22, 2 ** 24, 2 ** 26]) {
    const shortcuts = new Shortcuts(chunkBytes);
    const seen = new Set<number>();
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 40 }), (bytes) => {
        const key = toKey(bytes);
        const cell = shortcuts.cell(key);
        expect(cell % 8).toBe(0);
        expect(offsetOf(cell)).toBe(cell);
        expect(cell).toBeLessThan(chunkBytes);
        expect(shortcuts.cell(toKey(keyBytes(key)))).toBe(cell);
        seen.add(cell);
      }),
    );
    expect(seen.size).toBeGreaterThan(50);
  }
});

test("a cell that was never written or holds no pointer leads nowhere", () => {
  const shortcuts = new Shortcuts(2 ** 24);
  const words = [0n, 1n, withPending(pointer), sealOf(pointer), 2n ** 64n - 1n];
  for (const word of words) expect(shortcuts.decode(shortcuts.encode(word))).toBeUndefined();
});
