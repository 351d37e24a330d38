// A value that outgrew its slot moves to a larger one, under the home bucket's lock:
//
//   1. CAS the bucket's lock word, READ the bucket; CAS the old slot's lock word, READ its header.
//   2. CAS a larger cell to claimed; WRITE and FLUSH the new copy; CAS it to live, locked by us;
//      FLUSH.
//   3. The new slot's address into the bucket's intent word, FLUSH.
//   4. CAS the old slot to moved, FLUSH: the commit point. Whoever finds it finishes the move.
//   5. CAS the entry to the new slot, FLUSH.
//   6. Clear the intent, free the old slot, unlock the new one and the bucket.
//
// The entry keeps its place in the bucket, so a reader that goes through it misses nothing.

import { type Key, keyBytes, type WriteBatch } from "@pdpm/kv";
import {
  addressText,
  bucketFields,
  CellState,
  copyBytes,
  encodeCopy,
  entryWord,
  sizeClassFor,
  stateWord,
} from "@pdpm/layout";
import { commitPoint, compareAndSwap, type Protocol, round } from "@pdpm/verbs";
import { type BucketChain, homeOf, type PlacedEntry } from "./bucket-chain.ts";
import { lockBucket } from "./bucket-lock.ts";
import { replaceEntry } from "./bucket-repair.ts";
import { type ClaimedCell, claimCell, Starving } from "./claim-cell.ts";
import type { Cursor } from "./cursor-cache.ts";
import { corrupt } from "./damage.ts";
import { entryOf } from "./delete.ts";
import { type Hold, letGo, release } from "./holds.ts";
import { writeFresh } from "./insert.ts";
import type { Context } from "./session.ts";
import { lockSlot } from "./slot-lock.ts";
import { committedOffset } from "./slot-view.ts";

/** False when the slot was no longer what the cursor says. Starving: nothing was changed. */
export function* moveKey(
  context: Context,
  key: Key,
  batch: WriteBatch,
  cursor: Cursor,
): Protocol<boolean | Starving> {
  const { session } = context;
  const bucket = yield* lockBucket(context, homeOf(context, key).bucket); // 1.
  const holds: Hold[] = [bucket.hold];
  try {
    const { chain } = bucket;
    const entry = yield* entryOf(context, key, cursor, chain);
    const locked = entry && (yield* lockSlot(context, key, cursor, chain));
    if (entry === undefined || locked === undefined || locked === "gone") {
      yield* release(context, holds);
      return false;
    }
    const old = locked.hold;
    holds.push(old);
    const { value, commitNumber } = batch.decide(true, locked.copy.commitNumber);
    if (value === undefined) {
      yield* release(context, holds);
      return true;
    }
    const bytes = keyBytes(key);
    const sizeClass = sizeClassFor(copyBytes(bytes.length, value.length));
    const claimed = yield* claimCell(context, sizeClass); // 2.
    if (claimed instanceof Starving) {
      yield* release(context, holds);
      return claimed;
    }
    holds.push(claimed.hold);
    const { cell, incarnation } = claimed;
    const image = encodeCopy(cell, commitNumber, incarnation, bytes, value);
    yield* writeFresh(context, claimed, image);
    yield* switchTo(context, chain, entry, old, cursor, claimed);
    session.pool.give(cursor.sizeClass, cursor.slot, cursor.incarnation);
    const readBytes = committedOffset + image.length;
    session.cursors.set(key, { slot: cell, incarnation, sizeClass: claimed.sizeClass, readBytes });
    const intent = chain.home + bucketFields.intent;
    const word = entryWord(cell, claimed.sizeClass, entry.fingerprint, false);
    yield* release(context, holds, [compareAndSwap(intent, word, 0n)]); // 6.
    return true;
  } catch (error) {
    yield* letGo(context, holds);
    throw error;
  }
}

/** Steps 3 to 5. */
function* switchTo(
  context: Context,
  chain: BucketChain,
  entry: PlacedEntry,
  old: Hold,
  cursor: Cursor,
  claimed: ClaimedCell,
): Protocol<void> {
  const { session } = context;
  const { cell, incarnation, sizeClass } = claimed;
  const word = entryWord(cell, sizeClass, entry.fingerprint, false);
  const intent = chain.home + bucketFields.intent;
  yield* round(
    compareAndSwap(intent, chain.homeImage.intentWord, word), // 3.
    ...session.flushes(intent, 8),
  );
  const moved = session.myWord(CellState.moved, cursor.incarnation);
  const [found] = yield* round(
    commitPoint(compareAndSwap(cursor.slot, old.word, moved)), // 4.
    ...session.flushes(cursor.slot, 8),
  );
  if (found !== old.word) throw corrupt(`slot ${addressText(cursor.slot)} changed under its lock`);
  old.word = moved;
  old.idleWord = stateWord(CellState.free, cursor.incarnation, 0);
  claimed.hold.idleWord = stateWord(CellState.live, incarnation, 0);
  yield* round(...replaceEntry(context, entry, word)); // 5.
}
