// The lock of a home bucket: held by inserts, deletes and moves of its keys, so that a key can
// never stand in it twice (H21). Readers do not take it. A dead holder's lock is taken over, and
// what it left half done is finished first.

import { Patience } from "@pdpm/kv";
import { type Address, addressText, BucketImage, bucketBytes, decodeState } from "@pdpm/layout";
import { type Protocol, read } from "@pdpm/verbs";
import { type BucketChain, followChain, readChain } from "./bucket-chain.ts";
import { repairBucket } from "./bucket-repair.ts";
import { corrupt } from "./damage.ts";
import { Hold, leaveInDoubt, letGo, take } from "./holds.ts";
import { judge } from "./judge.ts";
import type { Context } from "./session.ts";

/** A locked bucket, and its chain as it stands under the lock. */
export interface LockedBucket {
  readonly hold: Hold;
  readonly chain: BucketChain;
}

/** Takes the lock; a round trip when nobody else holds it, and one per overflow bucket. */
export function* lockBucket(context: Context, home: Address): Protocol<LockedBucket> {
  const { session } = context;
  const hold = new Hold(home, session.lockWord, 0n);
  const image = yield* takeLock(context, hold);
  if (image === undefined) return yield* repair(context, hold);
  try {
    return { hold, chain: yield* followChain(context, home, image) };
  } catch (error) {
    yield* letGo(context, [hold]);
    throw error;
  }
}

/** Returns the bucket as it stood under the lock; undefined when the lock was a dead client's. */
function* takeLock(context: Context, hold: Hold): Protocol<BucketImage | undefined> {
  const { session } = context;
  const { address, word } = hold;
  const patience = new Patience(context);
  for (;;) {
    while (session.held.has(address)) {
      yield* patience.wait(`bucket ${addressText(address)} is in use by this client`);
    }
    const [found, bytes] = yield* take(context, address, 0n, word, read(address, bucketBytes));
    if (found === 0n) return new BucketImage(bytes as Uint8Array);
    const holder = decodeState(found);
    if (holder === undefined)
      throw corrupt(`the lock word of bucket ${addressText(address)} is damaged`);
    session.events.lockWaits += 1;
    const { alive, who } = yield* judge(context, holder.owner);
    if (alive && holder.owner !== session.clientId) {
      yield* patience.wait(`the bucket of the key is locked by client ${holder.owner} (${who})`);
      continue;
    }
    if (session.held.has(address)) continue;
    const [again] = yield* take(context, address, found, word);
    if (again !== found) continue;
    session.events.recoveries += 1;
    return undefined;
  }
}

/** Finishes what the lock's last holder left. Until that is done the lock must not open again. */
function* repair(context: Context, hold: Hold): Protocol<LockedBucket> {
  const { session } = context;
  const home = hold.address;
  try {
    yield* repairBucket(context, yield* readChain(context, home));
    const chain = yield* readChain(context, home);
    session.doubts.delete(home);
    return { hold, chain };
  } catch (error) {
    leaveInDoubt(context, hold);
    throw error;
  }
}
