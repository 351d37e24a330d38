// Where this client last found each key. All of it is a hint: who reads at a cursor verifies self
// word and key. Bounded; a full cache drops the key that was put in first (FIFO; the paper, section
// 6.4, found it no worse than LRU, and it costs a hit nothing) or the one that was used longest ago
// (LRU, exact).
//
// What must hold:
// - A key is found by comparing the whole key. The tags in the table only spare comparisons.
// - At most `capacity` keys; each is in the table once and in one entry.
// - Between an entry's home cell and its own no cell is empty, so that a probe may end at the first
//   empty one; at least half of the cells are empty, so that every probe ends.
//
//   table, a word per cell:  entry (26 bits) | tag, 6 bits of the hash (6 bits);   0: empty
//
// No object per cursor: 64 bytes of an entry and 8 to 16 of the table (see cursor-entries.ts).

import { assert } from "@pdpm/base";
import type { Key } from "@pdpm/kv";
import { type Address, addressOf, cellUnitBytes, type Pointer } from "@pdpm/layout";
import { CursorEntries } from "./cursor-entries.ts";
import { KeyWords } from "./key-words.ts";

const entryBits = 26;
const entryMask = 2 ** entryBits - 1;
const cellsFirst = 32;

/** The most keys that a cache can have. */
export const cursorsMost: number = entryMask;

/** How a cache works; see the head of this file. */
export interface CursorCacheOptions {
  /** Which key goes when the cache is full. @defaultValue "fifo" */
  readonly eviction?: "fifo" | "lru";
  /** Bits of a hash that count. Tests make keys collide with it. @defaultValue all 32 */
  readonly hashMask?: number;
}

/** Key -> cursor. An entry's index is valid until the next `set` or `delete`. */
export class CursorCache {
  readonly #capacity: number;
  readonly #isLru: boolean;
  readonly #key: KeyWords;
  #entries: CursorEntries;
  #table: Uint32Array = new Uint32Array(cellsFirst);

  /** @param capacity keys at most; 0 caches nothing. */
  constructor(capacity: number, options: CursorCacheOptions = {}) {
    assert(Number.isInteger(capacity), `a capacity of ${capacity} keys`);
    assert(capacity >= 0 && capacity <= cursorsMost, `a capacity of ${capacity} keys`);
    this.#capacity = capacity;
    this.#isLru = options.eviction === "lru";
    this.#key = new KeyWords(options.hashMask ?? -1);
    this.#entries = new CursorEntries(capacity);
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Bytes of all arrays. */
  get bytes(): number {
    return this.#entries.bytes + this.#table.byteLength + this.#key.words.byteLength;
  }

  /** The entry of a key, or -1. For an LRU cache this is a use of the key. */
  find(key: Key): number {
    if (this.#entries.size === 0) return -1;
    const entry = this.#look(this.#key.pack(key));
    if (entry === 0) return -1;
    if (this.#isLru) this.#entries.renew(entry);
    return entry;
  }

  /**
   * Inserts a key or replaces its cursor; may drop another key. The stale mark of a known key
   * stays, because it says something about the key, not about the version.
   * @param readBytes bytes of header, key and value. @returns its entry, or -1 if capacity is 0.
   */
  set(key: Key, pointer: Pointer, commitNumber: number, readBytes: number): number {
    if (this.#capacity === 0) return -1;
    const hash = this.#key.pack(key);
    let entry = this.#look(hash);
    if (entry === 0) entry = this.#insert(hash);
    else if (this.#isLru) this.#entries.renew(entry);
    this.#entries.write(entry, pointer, commitNumber, readBytes);
    return entry;
  }

  /** Drops a key, if it is known. */
  delete(key: Key): void {
    const entry = this.#look(this.#key.pack(key));
    if (entry !== 0) this.#remove(entry);
  }

  /** Drops every key, and the memory. */
  clear(): void {
    this.#entries = new CursorEntries(this.#capacity);
    this.#table = new Uint32Array(cellsFirst);
  }

  /** Where the buffer begins. */
  address(entry: number): Address {
    const low = this.#entries.pointerLow(entry);
    const chunk = (low >>> 20) | ((this.#entries.pointerHigh(entry) & 0xff) << 12);
    return addressOf(chunk, (low & 0xfffff) * cellUnitBytes);
  }

  /** The pointer, built on demand: a bigint costs an allocation. */
  pointer(entry: number): Pointer {
    return this.#entries.pointer(entry);
  }

  gcVersion(entry: number): number {
    return this.#entries.pointerHigh(entry) >>> 8;
  }

  /** The pointer's low 32 bits, for comparing with a buffer's self word without a bigint. */
  pointerLow(entry: number): number {
    return this.#entries.pointerLow(entry);
  }

  /** The pointer's high 32 bits. */
  pointerHigh(entry: number): number {
    return this.#entries.pointerHigh(entry);
  }

  commitNumber(entry: number): number {
    return this.#entries.commitNumber(entry);
  }

  /** Bytes of header, key and value. */
  readBytes(entry: number): number {
    return this.#entries.readBytes(entry);
  }

  /** Whether the cursor led to an older version lately: then the shortcut is worth its 8 bytes. */
  isStaleLately(entry: number): boolean {
    return this.#entries.isStaleLately(entry);
  }

  /** Of -1 nothing: the key may have been dropped while it was read. */
  markStale(entry: number, stale: boolean): void {
    if (entry !== -1) this.#entries.markStale(entry, stale);
  }

  /** The entry of the packed key, or 0. */
  #look(hash: number): number {
    const table = this.#table;
    const mask = table.length - 1;
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const cell = table[at] as number;
      if (cell === 0) return 0;
      if ((cell ^ hash) >>> entryBits !== 0) continue;
      if (this.#entries.isKeyOf(cell & entryMask, this.#key)) return cell & entryMask;
    }
  }

  #insert(hash: number): number {
    if (this.size === this.#capacity) this.#remove(this.#entries.oldest);
    if (2 * (this.size + 1) > this.#table.length) this.#growTable();
    const entry = this.#entries.add(this.#key, hash);
    this.#place(entry, hash);
    return entry;
  }

  #place(entry: number, hash: number): void {
    const mask = this.#table.length - 1;
    let at = hash & mask;
    while (this.#table[at] !== 0) at = (at + 1) & mask;
    this.#table[at] = entry | (hash & ~entryMask);
  }

  #growTable(): void {
    this.#table = new Uint32Array(2 * this.#table.length);
    const entries = this.#entries;
    for (let entry = entries.oldest; entry !== 0; entry = entries.after(entry)) {
      this.#place(entry, entries.hash(entry));
    }
  }

  /** Frees an entry and its cell; cells behind it move back, as far as their homes allow. */
  #remove(entry: number): void {
    const table = this.#table;
    const mask = table.length - 1;
    let hole = this.#entries.hash(entry) & mask;
    while (((table[hole] as number) & entryMask) !== entry) {
      assert(table[hole] !== 0, `entry ${entry} is not in the table`);
      hole = (hole + 1) & mask;
    }
    for (let at = (hole + 1) & mask; table[at] !== 0; at = (at + 1) & mask) {
      const home = this.#entries.hash((table[at] as number) & entryMask) & mask;
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      table[hole] = table[at] as number;
      hole = at;
    }
    table[hole] = 0;
    this.#entries.remove(entry);
  }
}
