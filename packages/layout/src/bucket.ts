// A bucket of pDPM-Direct's index: 256 bytes, 28 entries.
//
//   offset  home bucket                          overflow bucket
//    0      lock word (state word)               state word of the cell
//    8      intent: entry word of a move's       number word: the address
//           new slot, read during a move only    of its home bucket
//   16      floor: number word, commit numbers   reserved, zero
//           of this bucket's deleted keys are
//           at most this
//   24      next: entry word of an overflow bucket, 0 at the end of the chain
//   32      28 entry words, 0 where none
//
// Reading one is not atomic, only its words are. Readers need no lock: a key's entry stays in its
// place while the key lives, so who misses it met a moment when the key was absent.

import { assert } from "@pdpm/base";
import { bucketBytes } from "./size-class.ts";

/** Byte offsets in a bucket. */
export const bucketFields = { lock: 0, intent: 8, floor: 16, next: 24, entries: 32 } as const;
/** Entries per bucket. */
export const bucketEntries = 28;

/** A bucket's words, over a private 8-byte aligned copy of its bytes. */
export class BucketImage {
  readonly #words: BigUint64Array;

  constructor(bytes: Uint8Array) {
    assert(bytes.length === bucketBytes, `a bucket has ${bucketBytes} bytes, not ${bytes.length}`);
    this.#words = new BigUint64Array(bytes.buffer, bytes.byteOffset, bucketBytes / 8);
  }

  get lockWord(): bigint {
    return this.#words[bucketFields.lock / 8] as bigint;
  }

  get intentWord(): bigint {
    return this.#words[bucketFields.intent / 8] as bigint;
  }

  get floorWord(): bigint {
    return this.#words[bucketFields.floor / 8] as bigint;
  }

  get nextWord(): bigint {
    return this.#words[bucketFields.next / 8] as bigint;
  }

  /** The entry word at `index`, 0 to 27. */
  entryWord(index: number): bigint {
    return this.#words[entryOffset(index) / 8] as bigint;
  }
}

/** Byte offset of entry `index` in its bucket. */
export function entryOffset(index: number): number {
  return bucketFields.entries + index * 8;
}
