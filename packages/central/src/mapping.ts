// The mapping in the coordinator's memory: where each key's cell is. A cache of the service's
// directory, bounded, first in first out.
//
// - It changes only after the transaction that it reflects is durable (H24): whatever it says was
//   committed.
// - It knows no missing keys: those the directory is asked for.
// - An entry is filled in by readers under the entry's read lock, and replaced by the one protocol
//   that may change the key, under its write lock. So an older answer never covers a newer one.

import { assert } from "@pdpm/base";
import type { Key } from "@pdpm/kv";
import type { Pointer } from "@pdpm/layout";

/** A key's cell. */
export interface MappingEntry {
  readonly pointer: Pointer;
  readonly commitNumber: number;
  /** Bytes of header, key and value: what a get reads. */
  readonly bytes: number;
}

/** The cache. */
export class Mapping {
  readonly #entries = new Map<Key, MappingEntry>();
  readonly #most: number;

  constructor(most: number) {
    assert(most >= 1, `a mapping of ${most} entries`);
    this.#most = most;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: Key): MappingEntry | undefined {
    return this.#entries.get(key);
  }

  set(key: Key, entry: MappingEntry): void {
    if (this.#entries.size >= this.#most && !this.#entries.has(key)) {
      // A Map iterates in the order of insertion.
      for (const oldest of this.#entries.keys()) {
        this.#entries.delete(oldest);
        break;
      }
    }
    this.#entries.set(key, entry);
  }

  delete(key: Key): void {
    this.#entries.delete(key);
  }
}
