// Where this client last found each key: slot, incarnation, and how many bytes the read took. A
// hint that every read verifies. Bounded; the key that was put in first goes first (the paper found
// FIFO no worse than LRU, and it costs a hit nothing).

import type { Key } from "@pdpm/kv";
import type { Address } from "@pdpm/layout";

/** A remembered slot. */
export interface Cursor {
  readonly slot: Address;
  readonly incarnation: number;
  readonly sizeClass: number;
  /** Bytes from the slot's start to the end of its committed value. */
  readonly readBytes: number;
}

/** Key -> cursor, for at most a fixed number of keys. */
export class CursorCache {
  readonly #cursors = new Map<Key, Cursor>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  get size(): number {
    return this.#cursors.size;
  }

  get(key: Key): Cursor | undefined {
    return this.#cursors.get(key);
  }

  set(key: Key, cursor: Cursor): void {
    if (this.#cursors.size >= this.#most && !this.#cursors.has(key)) {
      for (const oldest of this.#cursors.keys()) {
        this.#cursors.delete(oldest);
        break;
      }
    }
    if (this.#most > 0) this.#cursors.set(key, cursor);
  }

  delete(key: Key): void {
    this.#cursors.delete(key);
  }
}
