// A buffer, cell or slot that was being overwritten while somebody read it: a mix of two whole
// images, of words, of lines, or a prefix of one behind which the other still stands (F4).
//
// What must hold (I5): whoever reads the mix gets one of the two, whole, or nothing.

import type { Prng } from "@pdpm/base";
import { type Key, keyBytes, toKey } from "@pdpm/kv";
import {
  type Address,
  addressOf,
  CellState,
  encodeBuffer,
  encodeCopy,
  highOf,
  lowOf,
  pointerTo,
  stateWord,
} from "@pdpm/layout";
import { liveValue } from "../../packages/central/src/cell.ts";
import { foundAtRest, versionHead, versionValue } from "../../packages/clover/src/version.ts";
import { foundAtRest as directAtRest, SlotView } from "../../packages/direct/src/slot-view.ts";

/** What a reader believes: the value, its number, and how it asked. */
export interface Believed {
  readonly value: Uint8Array;
  readonly version: number;
}

/** An image in memory, and what a reader who means exactly it may believe. */
export interface Image extends Believed {
  readonly key: Key;
  readonly life: number;
  readonly bytes: Uint8Array;
  /** Reads a mix as one who looks for this image's key in this image's life. */
  read(mix: Uint8Array): readonly (Believed | undefined)[];
}

/** How a design lays out a version, in the one place of these tests. */
export type MakeImage = (prng: Prng, key: Key, life: number, version: number) => Image;

const place: Address = addressOf(5, 128 * 40);

function drawValue(prng: Prng): Uint8Array {
  return prng.bytes(prng.below(4) === 0 ? prng.below(300) : 8 * prng.below(16));
}

/** Clover: what a read at a cursor believes, and what a walk believes. */
export const cloverImage: MakeImage = (prng, key, life, version) => {
  const value = drawValue(prng);
  const pointer = pointerTo(place, life);
  const read = (mix: Uint8Array): (Believed | undefined)[] => {
    const header = versionHead(pointer, key, mix);
    const body = typeof header === "object" ? versionValue(header, mix) : "other";
    const walked =
      typeof header === "object" && body instanceof Uint8Array
        ? { value: body, version: header.commitNumber }
        : undefined;
    return [foundAtRest(lowOf(pointer), highOf(pointer), key, mix), walked];
  };
  const bytes = encodeBuffer(pointer, version, keyBytes(key), value);
  return { key, life, bytes, value, version, read };
};

/** Central: what the coordinator believes of a cell. */
export const centralImage: MakeImage = (prng, key, life, version) => {
  const value = drawValue(prng);
  const pointer = pointerTo(place, life);
  const read = (mix: Uint8Array): (Believed | undefined)[] => {
    const found = liveValue(pointer, key, mix);
    return [typeof found === "object" ? found : undefined];
  };
  const bytes = encodeBuffer(pointer, version, keyBytes(key), value);
  return { key, life, bytes, value, version, read };
};

/** Direct: a slot's word and committed copy; what a read of it believes, in two ways. */
export const directImage: MakeImage = (prng, key, life, version) => {
  const value = drawValue(prng);
  const copy = encodeCopy(place, version, life, keyBytes(key), value);
  const bytes = new Uint8Array(8 + copy.length);
  new DataView(bytes.buffer).setBigUint64(0, stateWord(CellState.live, life, 0), true);
  bytes.set(copy, 8);
  const read = (mix: Uint8Array): (Believed | undefined)[] => [
    directAtRest(place, life, key, mix.subarray(0, 8 + copy.length - padding(value))),
    closeLook(key, life, mix),
  ];
  return { key, life, bytes, value, version, read };
};

/** Bytes behind a value up to the next word. */
const padding = (value: Uint8Array): number => (8 - (value.length % 8)) % 8;

function closeLook(key: Key, life: number, mix: Uint8Array): Believed | undefined {
  const view = new SlotView(place, mix);
  if (!view.isLive || view.word?.incarnation !== life) return undefined;
  const copy = view.header(8);
  if (typeof copy !== "object" || copy.incarnation !== life || !view.isOf(key, 8, copy)) {
    return undefined;
  }
  const value = view.value(8, copy);
  return typeof value === "object" ? { value, version: copy.commitNumber } : undefined;
}

/** Two images that may stand in one buffer after each other. */
export function twoImages(make: MakeImage, prng: Prng): readonly [Image, Image] {
  const keys = [toKey(`key ${prng.below(3)}`), toKey(`a longer key ${prng.below(3)}`)] as const;
  const first = keys[prng.below(2)] as Key;
  const life = 1 + prng.below(1000);
  const version = 1 + prng.below(1000);
  // The same life, too: a writer that lost its CAS renews the number, or writes another value.
  const isSameLife = prng.chance(0.3);
  const second = isSameLife || prng.chance(0.5) ? first : (keys[prng.below(2)] as Key);
  return [
    make(prng, first, life, version),
    make(prng, second, isSameLife ? life : life + 1, version + 1 + prng.below(3)),
  ];
}

/** `old`, partly overwritten with `next`; the buffer is as long as the longer one. */
export function mixOf(prng: Prng, old: Uint8Array, next: Uint8Array): Uint8Array {
  const length = (Math.max(old.length, next.length) + 7) & ~7;
  const mix = new Uint8Array(length);
  mix.set(old);
  const over = new Uint8Array(length);
  over.set(old);
  over.set(next);
  const kind = prng.below(4);
  if (kind === 0) {
    mix.set(over.subarray(0, prng.below(length + 1)));
    return mix;
  }
  const unit = kind === 1 ? 64 : 8;
  const share = kind === 3 ? 1 / (1 + length / 8) : prng.float();
  for (let at = 0; at < length; at += unit) {
    if (prng.chance(share)) mix.set(over.subarray(at, at + unit), at);
  }
  return mix;
}
