// Shortcuts: 8-byte cells in the root chunk that lead to some recent version of an entry. A cell is
// chosen by the key's hash; two keys may share one, and then the later writer's stays. Whoever does
// not know a key looks there before it asks the metadata server (find-tail.ts).
//
// A hint only (H8): it may be stale, point backwards, or be of another key. What it leads to is
// walked from like from any cursor. Published after the write it names was acknowledged, by plain
// writes that ride with those of later puts, many at a time. Source: paper section 4.2.

import { type Key, keyBytes } from "@pdpm/kv";
import { type Address, addressOf, checksum64, isPointer, type Pointer, wordAt } from "@pdpm/layout";
import { optional, type Post, write } from "@pdpm/verbs";

/** So many go out together: over a network they are a frame of their own, now and then. */
const togetherLeast = 4;
const togetherMost = 64;
/** Beyond it the oldest are dropped: they are hints. */
const waitingMost = 4096;

/** Where the cells of a store are, and what is to be written there. */
export class Shortcuts {
  readonly #cells: number;
  readonly #waiting = new Map<Address, Pointer>();

  constructor(chunkBytes: number) {
    this.#cells = chunkBytes / 8;
  }

  /** The cell of a key. */
  cell(key: Key): Address {
    return this.cellOf(keyBytes(key));
  }

  /** The cell of a key in bytes. */
  cellOf(key: Uint8Array): Address {
    const hash = checksum64(key);
    return addressOf(0, Number(hash & BigInt(this.#cells - 1)) * 8);
  }

  /** The bytes of a cell that leads to `pointer`. */
  encode(pointer: Pointer): Uint8Array {
    return new Uint8Array(new BigUint64Array([pointer]).buffer);
  }

  /** Where a cell leads, if anywhere. */
  decode(bytes: Uint8Array): Pointer | undefined {
    const word = wordAt(bytes, 0);
    return isPointer(word) ? word : undefined;
  }

  /** `pointer` is an acknowledged version of `key`: its cell will lead there. */
  publish(key: Uint8Array, pointer: Pointer): void {
    const cell = this.cellOf(key);
    this.#waiting.delete(cell);
    this.#waiting.set(cell, pointer);
    if (this.#waiting.size <= waitingMost) return;
    for (const oldest of this.#waiting.keys()) {
      this.#waiting.delete(oldest);
      return;
    }
  }

  /** How many are to be written. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** The writes that go out with a put: none, until enough wait. */
  posts(): Post[] {
    return this.#waiting.size < togetherLeast ? [] : this.takePosts();
  }

  /** The writes of what waits, `togetherMost` at most; empty when nothing does. */
  takePosts(): Post[] {
    const posts: Post[] = [];
    for (const [cell, pointer] of this.#waiting) {
      if (posts.length === togetherMost) break;
      this.#waiting.delete(cell);
      posts.push(optional(write(cell, this.encode(pointer))));
    }
    return posts;
  }
}
