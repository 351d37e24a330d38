// The lock of a home bucket: held by inserts, deletes and moves of its keys, so that a key can never
// stand in it twice (H21). Readers do not take it. A dead holder's lock is taken over, and what it left
// half done is finished first.

import { type Address, BucketImage, bucketBytes, decodeState } from "@pdpm/layout";
import { compareAndSwap, type Protocol, read, round } from "@pdpm/verbs";
import { type BucketChain, followChain, readChain } from "./bucket-chain.ts";
import { repairBucket } from "./bucket-repair.ts";
import { corrupt } from "./damage.ts";
import { giveUpTaking, Hold, letGo } from "./holds.ts";
import { judge } from "./judge.ts";
import { Patience } from "./patience.ts";
import type { Context } from "./session.ts";

/** A locked bucket, and its chain as it stands under the lock. */
export interface LockedBucket {
  readonly hold: Hold;
  readonly chain: BucketChain;
}

/** Takes the lock; a round trip when nobody else holds it, and one per overflow bucket. */
export function* lockBucket(context: Context, home: Address): Protocol<LockedBucket> {
  const { session } = context;
  const patience = new Patience(context);
  while (session.held.has(home)) yield* patience.wait(`bucket ${home} is in use by this client`);
  session.held.add(home);
  const hold = new Hold(home, session.lockWord, 0n);
  let image: BucketImage | undefined;
  try {
    image = yield* take(context, hold, patience);
  } catch (error) {
    giveUpTaking(context, home, error);
    throw error;
  }
  try {
    if (image !== undefined) return { hold, chain: yield* followChain(context, home, image) };
    yield* repairBucket(context, yield* readChain(context, home));
    session.doubts.delete(home);
    return { hold, chain: yield* readChain(context, home) };
  } catch (error) {
    yield* letGo(context, [hold]);
    throw error;
  }
}

/** Returns the bucket as it stood under the lock; undefined when the lock was a dead client's. */
function* take(context: Context, hold: Hold, patience: Patience): Protocol<BucketImage | undefined> {
  const { session } = context;
  const { address, word } = hold;
  for (;;) {
    const [found, bytes] = yield* round(
      compareAndSwap(address, 0n, word),
      read(address, bucketBytes),
    );
    if (found === 0n) return new BucketImage(bytes);
    const holder = decodeState(found);
    if (holder === undefined) throw corrupt(`the lock word of bucket ${address} is damaged`);
    session.events.lockWaits += 1;
    const isLeftover = holder.owner === session.clientId;
    const { alive, who } = yield* judge(context, holder.owner);
    if (alive && !isLeftover) {
      yield* patience.wait(`the bucket of the key is locked by client ${holder.owner} (${who})`);
      continue;
    }
    const [again] = yield* round(compareAndSwap(address, found, word));
    if (again !== found) continue;
    session.events.recoveries += 1;
    return undefined;
  }
}
