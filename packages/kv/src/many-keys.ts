// The many-key forms of the five operations, on checked keys and encoded values.

import type { Clock } from "@pdpm/base";
import type { Limits } from "@pdpm/verbs";
import type { Backend, Found } from "./backend.ts";
import type { Deadline } from "./deadline.ts";
import type { Key } from "./key.ts";
import { runMany } from "./many.ts";

/** A key and the bytes to put under it. */
export interface EncodedEntry {
  readonly key: Key;
  readonly bytes: Uint8Array;
}

/** Reads, puts and deletes many keys side by side. Errors name the public method in `name`. */
export class ManyKeys {
  readonly #backend: Backend;
  readonly #clock: Clock;

  constructor(backend: Backend, clock: Clock) {
    this.#backend = backend;
    this.#clock = clock;
  }

  /** What stands under each of `keys`, in their order. */
  read(name: string, keys: readonly Key[], deadline: Deadline): Promise<(Found | undefined)[]> {
    // How large a value is shows only when it is there: take the largest so far for the next one.
    let bytesSeen = 0;
    const seen = (found: Found | undefined): Found | undefined => {
      if (found !== undefined) bytesSeen = Math.max(bytesSeen, found.value.length);
      return found;
    };
    const work = {
      name,
      count: keys.length,
      writes: false,
      start: (index: number, limits: Limits) => {
        const found = this.#backend.get(keys[index] as Key, limits);
        return found instanceof Promise ? found.then(seen) : seen(found);
      },
      bytesOf: () => bytesSeen,
    };
    return runMany<Found | undefined>(work, this.#clock, deadline);
  }

  /** The versions written, in the order of `entries`. */
  put(name: string, entries: readonly EncodedEntry[], deadline: Deadline): Promise<number[]> {
    const entryOf = (index: number): EncodedEntry => entries[index] as EncodedEntry;
    return runMany<number>(
      {
        name,
        count: entries.length,
        writes: true,
        start: (index, limits) => {
          const { key, bytes } = entryOf(index);
          return this.#backend.put(key, bytes, undefined, limits);
        },
        bytesOf: (index) => entryOf(index).bytes.length,
      },
      this.#clock,
      deadline,
    );
  }

  /** The versions deleted, in the order of `keys`; undefined where there was nothing. */
  delete(name: string, keys: readonly Key[], deadline: Deadline): Promise<(number | undefined)[]> {
    return runMany<number | undefined>(
      {
        name,
        count: keys.length,
        writes: true,
        start: (index, limits) => this.#backend.delete(keys[index] as Key, undefined, limits),
        bytesOf: () => 0,
      },
      this.#clock,
      deadline,
    );
  }
}
