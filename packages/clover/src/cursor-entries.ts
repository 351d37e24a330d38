// The cursors of a cache and the order in which they came or were used. 64 bytes per cursor, in
// arrays of 8192 that are added one by one and never copied: growing has no long pause.
//
//   words 0-1  pointer
//         2-3  commit number (53 bits), bit 63: stale lately
//         4    bytes to read (24 bits) | inline bytes of the key (6 bits) | its form (2 bits)
//         5-12 the key, or the block of LongKeys with it
//         13   hash
//         14   older entry
//         15   newer entry
//
// What must hold:
// - An entry is free (word 4 is 0, linked by word 15) or is in the list once. Entry 0 is the list's
//   anchor: oldest and newest are its neighbours.
// - A key of up to 32 packed bytes stands in the entry; a longer one holds one block of LongKeys.
// - What a look-up reads of a key of up to 28 bytes stands in the first 48 bytes of an entry: large
//   arrays start 16 bytes into a cache line, so those lie in one.

import { assert } from "@pdpm/base";
import type { Pointer } from "@pdpm/layout";
import { type KeyWords, shapeBytes, shapeForm, shapeWords } from "./key-words.ts";
import { LongKeys } from "./long-keys.ts";

const entryWords = 16;
const sizes = 4;
const keyStart = 5;
const hashWord = 13;
const older = 14;
const newer = 15;

const inlineBytesMost = 32;
/** In place of the inline bytes: the key stands in a block. */
const inBlock = 63;
const readBytesLimit = 2 ** 24;
const staleMark = 0x80000000;
const segmentBits = 13;
const segmentEntries = 2 ** segmentBits;

/** See the head of this file. `capacity` is the most entries, the anchor left out. */
export class CursorEntries {
  readonly #capacity: number;
  readonly #segments: Uint32Array<ArrayBuffer>[] = [];
  /** The same bytes, for pointers. */
  readonly #pairs: BigUint64Array[] = [];
  readonly #longKeys: LongKeys = new LongKeys();
  /** Entries from here on were never used. */
  #end = 1;
  /** The first free entry before `#end`, or 0. */
  #free = 0;
  #size = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
    this.#grow();
  }

  get size(): number {
    return this.#size;
  }

  get bytes(): number {
    return this.#segments.reduce((sum, words) => sum + words.byteLength, this.#longKeys.bytes);
  }

  /** The entry at the old end of the list, or 0. */
  get oldest(): number {
    return this.after(0);
  }

  /** The entry that comes after this one in the list, or 0. */
  after(entry: number): number {
    return this.#segment(entry)[firstWord(entry) + newer] as number;
  }

  hash(entry: number): number {
    return this.#segment(entry)[firstWord(entry) + hashWord] as number;
  }

  /** Whether the entry's key is the packed one. */
  isKeyOf(entry: number, key: KeyWords): boolean {
    const words = this.#segment(entry);
    const first = firstWord(entry);
    if ((words[first + sizes] as number) >>> 24 !== inlineShape(key.shape)) return false;
    const start = first + keyStart;
    if (shapeBytes(key.shape) > inlineBytesMost) {
      return this.#longKeys.holds(words[start] as number, key);
    }
    const count = shapeWords(key.shape);
    for (let i = 0; i < count; i += 1) {
      if (words[start + i] !== key.words[i]) return false;
    }
    return true;
  }

  /** A new entry for the packed key, at the new end of the list, not stale. */
  add(key: KeyWords, hash: number): number {
    assert(this.#size < this.#capacity, "the cache is full");
    const entry = this.#take();
    const words = this.#segment(entry);
    const first = firstWord(entry);
    words[first + sizes] = inlineShape(key.shape) << 24;
    words[first + hashWord] = hash;
    words[first + 3] = 0;
    if (shapeBytes(key.shape) > inlineBytesMost) {
      words[first + keyStart] = this.#addLongKey(key);
    } else {
      const count = shapeWords(key.shape);
      for (let i = 0; i < count; i += 1) words[first + keyStart + i] = key.words[i] as number;
    }
    this.#append(entry);
    this.#size += 1;
    return entry;
  }

  /** What an entry says; its stale mark stays. */
  write(entry: number, pointer: Pointer, commitNumber: number, readBytes: number): void {
    assert(Number.isSafeInteger(commitNumber), "a commit number is a safe integer");
    assert(commitNumber >= 0, "a commit number is not negative");
    assert(readBytes >= 0, "the bytes to read are not negative");
    assert(readBytes < readBytesLimit, "the bytes to read have 24 bits");
    const words = this.#live(entry);
    const first = firstWord(entry);
    (this.#pairs[entry >>> segmentBits] as BigUint64Array)[first >>> 1] = pointer;
    const stale = (words[first + 3] as number) & staleMark;
    words[first + 2] = commitNumber;
    words[first + 3] = stale | Math.floor(commitNumber / 2 ** 32);
    words[first + sizes] = ((words[first + sizes] as number) & 0xff000000) | readBytes;
  }

  /** Frees an entry. */
  remove(entry: number): void {
    const words = this.#live(entry);
    const first = firstWord(entry);
    if (isInBlock(words[first + sizes])) this.#longKeys.remove(words[first + keyStart] as number);
    this.#unlink(entry);
    words[first + sizes] = 0;
    words[first + newer] = this.#free;
    this.#free = entry;
    this.#size -= 1;
  }

  /** Moves an entry to the new end of the list. */
  renew(entry: number): void {
    this.#unlink(entry);
    this.#append(entry);
  }

  pointer(entry: number): Pointer {
    this.#live(entry);
    return this.#pairs[entry >>> segmentBits]?.[firstWord(entry) >>> 1] as bigint;
  }

  pointerLow(entry: number): number {
    return this.#live(entry)[firstWord(entry)] as number;
  }

  pointerHigh(entry: number): number {
    return this.#live(entry)[firstWord(entry) + 1] as number;
  }

  commitNumber(entry: number): number {
    const words = this.#live(entry);
    const first = firstWord(entry);
    return ((words[first + 3] as number) & ~staleMark) * 2 ** 32 + (words[first + 2] as number);
  }

  readBytes(entry: number): number {
    return (this.#live(entry)[firstWord(entry) + sizes] as number) % readBytesLimit;
  }

  isStaleLately(entry: number): boolean {
    return (this.#live(entry)[firstWord(entry) + 3] as number) >= staleMark;
  }

  markStale(entry: number, stale: boolean): void {
    const words = this.#live(entry);
    const word = firstWord(entry) + 3;
    const bare = (words[word] as number) & ~staleMark;
    words[word] = stale ? bare | staleMark : bare;
  }

  #segment(entry: number): Uint32Array {
    return this.#segments[entry >>> segmentBits] as Uint32Array;
  }

  /** The segment of an entry that is in use. */
  #live(entry: number): Uint32Array {
    assert(entry > 0 && entry < this.#end, "there is no such cursor");
    const words = this.#segment(entry);
    assert(words[firstWord(entry) + sizes] !== 0, "the cursor was dropped");
    return words;
  }

  #take(): number {
    const free = this.#free;
    if (free !== 0) {
      this.#free = this.after(free);
      return free;
    }
    if (this.#end === this.#segments.length * segmentEntries) this.#grow();
    this.#end += 1;
    return this.#end - 1;
  }

  #grow(): void {
    const left = this.#capacity + 1 - this.#segments.length * segmentEntries;
    const words = new Uint32Array(Math.min(left, segmentEntries) * entryWords);
    this.#segments.push(words);
    this.#pairs.push(new BigUint64Array(words.buffer));
  }

  #addLongKey(key: KeyWords): number {
    if (!this.#longKeys.hasRoom(key)) {
      this.#longKeys.rebuild(key, (moved) => {
        for (let entry = this.oldest; entry !== 0; entry = this.after(entry)) {
          const words = this.#segment(entry);
          const first = firstWord(entry);
          if (!isInBlock(words[first + sizes])) continue;
          words[first + keyStart] = moved(words[first + keyStart] as number);
        }
      });
    }
    return this.#longKeys.add(key);
  }

  #append(entry: number): void {
    const newest = this.#segment(0)[older] as number;
    this.#link(newest, entry);
    this.#link(entry, 0);
  }

  #unlink(entry: number): void {
    const before = this.#segment(entry)[firstWord(entry) + older] as number;
    this.#link(before, this.after(entry));
  }

  #link(one: number, next: number): void {
    this.#segment(one)[firstWord(one) + newer] = next;
    this.#segment(next)[firstWord(next) + older] = one;
  }
}

function firstWord(entry: number): number {
  return (entry & (segmentEntries - 1)) * entryWords;
}

function isInBlock(sizesWord: number | undefined): boolean {
  return (((sizesWord ?? 0) >>> 24) & 63) === inBlock;
}

/** What word 4 says of a key. The form of a long one stands in its block. */
function inlineShape(shape: number): number {
  const bytes = shapeBytes(shape);
  return bytes > inlineBytesMost ? inBlock : bytes | (shapeForm(shape) << 6);
}
