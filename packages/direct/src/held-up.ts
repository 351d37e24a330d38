// Waiting for a slot while a bucket is held, which must not last: a living client that is in doubt
// about its lock of that slot settles it under the bucket's lock. So whoever holds the bucket lets
// go of it after a few tries, and begins anew.

import { Patience } from "@pdpm/kv";
import type { Protocol } from "@pdpm/verbs";
import type { BucketChain } from "./bucket-chain.ts";
import type { Context } from "./session.ts";

/** Tries with the bucket held: an update of the slot is over by then. */
const triesMost = 8;

/** Thrown to a write that holds a bucket too long. It never leaves writeKey. */
export class HeldUp extends Error {
  override readonly name = "HeldUp";
}

class BriefPatience extends Patience {
  override *wait(what: string): Protocol<void> {
    if (this.attempt >= triesMost) throw new HeldUp(what);
    yield* super.wait(what);
  }
}

/** The patience of a wait for a slot. `chain` is given by those who hold its bucket. */
export function slotPatience(context: Context, chain: BucketChain | undefined): Patience {
  return chain === undefined ? new Patience(context) : new BriefPatience(context);
}
