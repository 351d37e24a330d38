// Direct's insert, under the home bucket's lock:
//
//   1. CAS the bucket's lock word, READ the bucket behind it; the key must not be there (H21).
//   2. CAS a free cell to claimed.
//   3. WRITE and FLUSH the committed copy; CAS the cell to live, still locked by us; FLUSH the
//      word.
//   4. CAS the entry from nothing to the cell, marked pending; FLUSH: the commit point.
//   5. Clear the mark, unlock the cell, unlock the bucket.
//
// A cell that no bucket names is nobody's: dying before 4 leaves nothing but a claimed or locked
// cell, which recovery frees.

import { isPdpmError } from "@pdpm/base";
import { type Key, keyBytes, type WriteBatch } from "@pdpm/kv";
import {
  type Address,
  addressText,
  bucketBytes,
  bucketClass,
  bucketFields,
  CellState,
  clearedEntry,
  copyBytes,
  encodeCopy,
  entryOffset,
  entryWord,
  numberWord,
  sizeClassFor,
  stateWord,
} from "@pdpm/layout";
import { commitPoint, compareAndSwap, type Protocol, round, write } from "@pdpm/verbs";
import { type BucketChain, homeOf, lastNext } from "./bucket-chain.ts";
import { lockBucket } from "./bucket-lock.ts";
import { type ClaimedCell, claimCell, Starving } from "./claim-cell.ts";
import { corrupt } from "./damage.ts";
import { findLocked } from "./find-slot.ts";
import { type Hold, leaveInDoubt, letGo, release } from "./holds.ts";
import type { Context } from "./session.ts";
import { committedOffset } from "./slot-view.ts";

/** False when the key exists by now; its cursor is cached then. Starving: nothing was changed. */
export function* insertKey(
  context: Context,
  key: Key,
  batch: WriteBatch,
): Protocol<boolean | Starving> {
  const { session } = context;
  const home = homeOf(context, key);
  const bucket = yield* lockBucket(context, home.bucket); // 1.
  const holds: Hold[] = [bucket.hold];
  try {
    const { chain } = bucket;
    const placed = yield* findLocked(context, key, chain);
    const decision = placed === undefined ? batch.decide(false, chain.floor) : undefined;
    if (decision?.value === undefined) {
      yield* release(context, holds);
      if (placed !== undefined) session.cursors.set(key, placed.cursor);
      return placed === undefined;
    }
    const bytes = keyBytes(key);
    const copyLength = copyBytes(bytes.length, decision.value.length);
    const claimed = yield* claimCell(context, sizeClassFor(copyLength)); // 2.
    if (claimed instanceof Starving) {
      yield* release(context, holds);
      return claimed;
    }
    holds.push(claimed.hold);
    const { cell, sizeClass, incarnation } = claimed;
    const image = encodeCopy(cell, decision.commitNumber, incarnation, bytes, decision.value);
    yield* writeFresh(context, claimed, image); // 3.
    const at = chain.freeEntry() ?? (yield* growChain(context, chain, holds));
    if (at instanceof Starving) {
      yield* release(context, holds);
      return at;
    }
    const entry = entryWord(cell, sizeClass, home.fingerprint, session.isDurable);
    const [found] = yield* round(
      commitPoint(compareAndSwap(at, 0n, entry)), // 4.
      ...session.flushes(at, 8),
    );
    if (found !== 0n) throw corrupt(`bucket ${addressText(home.bucket)} changed under its lock`);
    claimed.hold.idleWord = stateWord(CellState.live, incarnation, 0);
    const clear = session.isDurable ? [compareAndSwap(at, entry, clearedEntry(entry))] : [];
    yield* release(context, holds, clear); // 5.
    const readBytes = committedOffset + image.length;
    session.cursors.set(key, { slot: cell, incarnation, sizeClass, readBytes });
    return true;
  } catch (error) {
    yield* letGo(context, holds);
    throw error;
  }
}

/** Writes the first committed copy of a claimed cell and makes it live, locked by us. */
export function* writeFresh(
  context: Context,
  claimed: ClaimedCell,
  image: Uint8Array,
): Protocol<void> {
  yield* makeLive(context, claimed, claimed.cell + committedOffset, image);
}

/** One round trip: `image` to its place, durably, and behind it the cell's word. */
function* makeLive(
  context: Context,
  claimed: ClaimedCell,
  at: Address,
  image: Uint8Array,
): Protocol<void> {
  const { session } = context;
  const { cell, hold, incarnation } = claimed;
  const live = session.myWord(CellState.live, incarnation);
  const before = [write(at, image), ...session.flushes(at, image.length)];
  const replies: readonly unknown[] = yield* round(
    ...before,
    compareAndSwap(cell, hold.word, live),
    ...session.flushes(cell, 8),
  );
  if (replies[before.length] !== hold.word)
    throw corrupt(`cell ${addressText(cell)} changed while it was ours`);
  hold.word = live;
}

/** Appends an overflow bucket and returns its first entry's address. */
function* growChain(
  context: Context,
  chain: BucketChain,
  holds: Hold[],
): Protocol<Address | Starving> {
  const { session } = context;
  const claimed = yield* claimCell(context, bucketClass);
  if (claimed instanceof Starving) return claimed;
  holds.push(claimed.hold);
  const { cell, hold, incarnation } = claimed;
  const image = new BigUint64Array(bucketBytes / 8 - 1);
  image[0] = numberWord(chain.home); // At offset 8: whose overflow bucket it is.
  yield* makeLive(context, claimed, cell + bucketFields.intent, new Uint8Array(image.buffer));
  const link = entryWord(cell, bucketClass, 0, false);
  const at = lastNext(chain);
  let found: bigint;
  try {
    [found] = yield* round(compareAndSwap(at, 0n, link), ...session.flushes(at, 8));
  } catch (error) {
    // It may be linked: then it must not be freed. Recovery looks whether the chain leads to it.
    if (isPdpmError(error) && error.outcome === "unknown") leaveInDoubt(context, hold);
    throw error;
  }
  if (found !== 0n)
    throw corrupt(`the chain of bucket ${addressText(chain.home)} changed under its lock`);
  // Linked: from here on it is a bucket, whatever becomes of this insert.
  hold.idleWord = stateWord(CellState.live, incarnation, 0);
  return cell + entryOffset(0);
}
