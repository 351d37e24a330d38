// A key's home bucket and its overflow buckets, as they were read: a list of images with the
// address of each. Read under the home bucket's lock it is exact; without the lock it is what each
// word held at some moment of the read, which suffices for readers (layout/bucket.ts says why).

import { assert } from "@pdpm/base";
import { type Key, keyBytes } from "@pdpm/kv";
import {
  type Address,
  addressText,
  BucketImage,
  bucketBytes,
  bucketClass,
  bucketEntries,
  bucketFields,
  checksum64,
  decodeEntry,
  type Entry,
  entryOffset,
  fingerprintLimit,
  numberOf,
  wordAt,
} from "@pdpm/layout";
import { type Protocol, read, round } from "@pdpm/verbs";
import { corrupt } from "./damage.ts";
import type { Context } from "./session.ts";
import { reloadUnknown } from "./table-refresh.ts";

/**
 * Overflow buckets in one chain at most: with 28 entries each, over a million keys of one bucket.
 */
const chainMost = 40_000;

/** One entry that is in use: what it says, and where it stands. */
export interface PlacedEntry extends Entry {
  /** Address of the entry word. */
  readonly at: Address;
  readonly word: bigint;
}

/** Where a key belongs. */
export interface Home {
  readonly bucket: Address;
  readonly fingerprint: number;
}

/** The home bucket and fingerprint of a key: the low and the high bits of its hash. */
export function homeOf(context: Context, key: Key): Home {
  const hash = checksum64(keyBytes(key));
  const { geometry } = context.session;
  return {
    bucket: geometry.homeBucket(Number(hash & 0xffffffffn) % geometry.homeBuckets),
    fingerprint: Number(hash >> 32n) % fingerprintLimit,
  };
}

/** The buckets of one home bucket, in order. */
export class BucketChain {
  readonly addresses: Address[] = [];
  readonly images: BucketImage[] = [];
  /** Some word of it is damaged: what is missing from it may be behind that word. */
  damaged = false;

  get home(): Address {
    assert(this.addresses.length > 0, "a chain has its home bucket");
    return this.addresses[0] as Address;
  }

  get homeImage(): BucketImage {
    return this.images[0] as BucketImage;
  }

  /** Commit numbers of deleted keys of this bucket are at most this. */
  get floor(): number {
    const floor = numberOf(this.homeImage.floorWord);
    if (floor === undefined)
      throw corrupt(`the floor of bucket ${addressText(this.home)} is damaged`);
    return floor;
  }

  add(address: Address, image: BucketImage): void {
    this.addresses.push(address);
    this.images.push(image);
  }

  /** It was read again, under the same lock. */
  become(other: BucketChain): void {
    assert(other.home === this.home, "a chain stays that of its home bucket");
    this.addresses.splice(0, this.addresses.length, ...other.addresses);
    this.images.splice(0, this.images.length, ...other.images);
    this.damaged = other.damaged;
  }

  /** Every entry in use. */
  *entries(): Iterable<PlacedEntry> {
    for (const [i, image] of this.images.entries()) {
      for (let index = 0; index < bucketEntries; index += 1) {
        const word = image.entryWord(index);
        if (word === 0n) continue;
        const entry = decodeEntry(word);
        if (!entry) this.damaged = true;
        else yield { ...entry, word, at: (this.addresses[i] as Address) + entryOffset(index) };
      }
    }
  }

  /** The address of an entry word that is 0, or undefined when all are in use. */
  freeEntry(): Address | undefined {
    for (const [i, image] of this.images.entries()) {
      for (let index = 0; index < bucketEntries; index += 1) {
        if (image.entryWord(index) === 0n)
          return (this.addresses[i] as Address) + entryOffset(index);
      }
    }
    return undefined;
  }
}

/** Reads the home bucket and everything behind it: a round trip per bucket. */
export function* readChain(context: Context, home: Address): Protocol<BucketChain> {
  const [bytes] = yield* round(read(home, bucketBytes));
  return yield* followChain(context, home, new BucketImage(bytes));
}

/** Reads what stands behind a home bucket that was read already. */
export function* followChain(
  context: Context,
  home: Address,
  image: BucketImage,
): Protocol<BucketChain> {
  const chain = new BucketChain();
  chain.add(home, image);
  let last = image;
  while (last.nextWord !== 0n) {
    const next = decodeEntry(last.nextWord);
    const address = next?.cell;
    if (address === undefined || !(yield* reloadUnknown(context, address, bucketClass))) {
      // Given back since it was read, and its chunk retired: then nothing leads there any more.
      const [bytes] = yield* round(read(lastNext(chain), 8));
      if (wordAt(bytes, 0) !== last.nextWord) return yield* readChain(context, home);
      chain.damaged = true;
      break;
    }
    if (chain.images.length >= chainMost)
      throw corrupt(`the chain of bucket ${addressText(home)} does not end`);
    const [bytes] = yield* round(read(address, bucketBytes));
    last = new BucketImage(bytes);
    chain.add(address, last);
  }
  return chain;
}

/** The address of the `next` word at the end of the chain. */
export function lastNext(chain: BucketChain): Address {
  return (chain.addresses[chain.addresses.length - 1] as Address) + bucketFields.next;
}
