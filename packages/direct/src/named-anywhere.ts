// Whether any bucket names a cell whose key cannot be read any more. All buckets are read: this is
// for what a power failure left of a cell that was deleted, freed and written anew, when its state
// word is the old one and its bytes are not.
//
// No lock is needed: nobody claims a cell that is not free, so nobody begins to name it, and an
// entry that names it stays where it is until it is cleared.

import { type Address, addressText, BucketImage, bucketBytes } from "@pdpm/layout";
import { type Protocol, read, round } from "@pdpm/verbs";
import { followChain } from "./bucket-chain.ts";
import { corrupt } from "./damage.ts";
import type { Context } from "./session.ts";

/** Home buckets read in one round. */
const bucketsPerRound = 256;

/** @throws PDPM_CORRUPT when a damaged bucket may be the one. */
export function* isNamedAnywhere(context: Context, cell: Address): Protocol<boolean> {
  const { geometry } = context.session;
  for (let first = 0; first < geometry.homeBuckets; first += bucketsPerRound) {
    const count = Math.min(bucketsPerRound, geometry.homeBuckets - first);
    const homes = Array.from({ length: count }, (_, i) => geometry.homeBucket(first + i));
    const images = (yield* round(...homes.map((home) => read(home, bucketBytes)))) as Uint8Array[];
    for (const [i, home] of homes.entries()) {
      const chain = yield* followChain(context, home, new BucketImage(images[i] as Uint8Array));
      if ([...chain.entries()].some((entry) => entry.cell === cell)) return true;
      if (chain.damaged) throw corrupt(`bucket ${addressText(home)} is damaged`);
    }
  }
  return false;
}
