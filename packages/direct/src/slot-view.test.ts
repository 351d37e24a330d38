// What is believed at the first look: an image that says all that it must. Whatever else stands in
// memory takes a closer look, which may wait, recover or look elsewhere.

import { keyBytes, toKey } from "@pdpm/kv";
import { CellState, encodeCopy, stateWord } from "@pdpm/layout";
import { expect, test } from "vitest";
import { foundAtRest } from "./slot-view.ts";

const slot = 5 * 2 ** 26 + 4096;
const incarnation = 7;
const key = toKey("user42");
const value = Uint8Array.from({ length: 37 }, (_, i) => i);

function imageOf(
  state: CellState = CellState.live,
  owner = 0,
  wordIncarnation: number = incarnation,
  copy: Uint8Array = encodeCopy(slot, 9, incarnation, keyBytes(key), value),
): Uint8Array {
  const image = new Uint8Array(8 + copy.length);
  new DataView(image.buffer).setBigUint64(0, stateWord(state, wordIncarnation, owner), true);
  image.set(copy, 8);
  // Reads end with the value: its padding is not asked for.
  return image.subarray(0, image.length - 3);
}

function look(image: Uint8Array, at = slot, life = incarnation, asked = key): unknown {
  return foundAtRest(at, life, asked, image);
}

test("a slot at rest gives its value and commit number", () => {
  expect(look(imageOf())).toEqual({ value, version: 9 });
});

test("a slot that is held, of another life or in another state takes a closer look", () => {
  expect(look(imageOf(CellState.live, 3)), "held").toBeUndefined();
  expect(look(imageOf(CellState.live, 64)), "held, high bits").toBeUndefined();
  expect(look(imageOf(CellState.live, 0, 8)), "the word of another life").toBeUndefined();
  expect(look(imageOf(), slot, 8), "a cursor of another life").toBeUndefined();
  for (const state of [CellState.free, CellState.claimed, CellState.dead, CellState.moved]) {
    expect(look(imageOf(state)), `state ${state}`).toBeUndefined();
  }
});

test("so does a copy of another life, slot or key, and an image of another length", () => {
  const other = encodeCopy(slot, 9, 6, keyBytes(key), value);
  expect(look(imageOf(CellState.live, 0, incarnation, other)), "an older life").toBeUndefined();
  expect(look(imageOf(), slot + 64), "another slot").toBeUndefined();
  expect(look(imageOf(), slot, incarnation, toKey("user43")), "another key").toBeUndefined();
  const image = imageOf();
  for (let length = 8; length < image.length; length += 1) {
    expect(look(image.subarray(0, length)), `${length} bytes`).toBeUndefined();
  }
  const longer = new Uint8Array(image.length + 1);
  longer.set(image);
  expect(look(longer), "a longer image").toBeUndefined();
});

test("any flipped bit of word, header, key or value is seen", () => {
  const image = imageOf();
  for (let bit = 0; bit < image.length * 8; bit += 1) {
    const at = bit >> 3;
    // Two bytes of padding between key and value are under no checksum: nobody reads them.
    if (at >= 8 + 40 + key.length && at < 8 + 48) continue;
    image[at] = (image[at] as number) ^ (1 << (bit & 7));
    expect(look(image), `bit ${bit}`).toBeUndefined();
    image[at] = (image[at] as number) ^ (1 << (bit & 7));
  }
});
