// Direct's delete, under the home bucket's lock:
//
//   1. CAS the bucket's lock word, READ the bucket behind it.
//   2. CAS the slot's lock word, READ the header behind it: the commit number, for the condition.
//   3. Raise the bucket's floor to that number, FLUSH; CAS the slot to dead, FLUSH: the commit
//      point.
//   4. CAS the entry to nothing, FLUSH.
//   5. CAS the slot to free, unlock the bucket.
//
// The slot is free last: while it is dead, whoever comes by its entry learns that the key is gone.
// An overflow bucket that became empty at the end of the chain is given back.

import type { Key, WriteBatch } from "@pdpm/kv";
import {
  type Address,
  addressText,
  bucketEntries,
  bucketFields,
  CellState,
  decodeState,
  stateWord,
  wordAt,
} from "@pdpm/layout";
import { commitPoint, compareAndSwap, type Protocol, read, round } from "@pdpm/verbs";
import { type BucketChain, homeOf, type PlacedEntry } from "./bucket-chain.ts";
import { lockBucket } from "./bucket-lock.ts";
import { raiseFloor, replaceEntry } from "./bucket-repair.ts";
import type { Cursor } from "./cursor-cache.ts";
import { corrupt } from "./damage.ts";
import { findLocked } from "./find-slot.ts";
import { Hold, letGo, release, take } from "./holds.ts";
import type { Context } from "./session.ts";
import { lockSlot } from "./slot-lock.ts";

/** False when the slot was no longer what the cursor says. */
export function* deleteKey(
  context: Context,
  key: Key,
  batch: WriteBatch,
  cursor: Cursor,
): Protocol<boolean> {
  const { session } = context;
  const bucket = yield* lockBucket(context, homeOf(context, key).bucket); // 1.
  const holds: Hold[] = [bucket.hold];
  try {
    const { chain } = bucket;
    const entry = yield* entryOf(context, key, cursor, chain);
    if (entry === undefined) {
      yield* release(context, holds);
      return false;
    }
    const locked = yield* lockSlot(context, key, cursor, chain); // 2.
    if (locked === "gone") {
      yield* release(context, holds);
      return false;
    }
    const { hold, copy } = locked;
    holds.push(hold);
    if (!batch.decide(true, copy.commitNumber).remove) {
      yield* release(context, holds);
      return true;
    }
    const { slot, incarnation, sizeClass } = cursor;
    const dead = session.myWord(CellState.dead, incarnation);
    const [found] = yield* round(
      commitPoint(compareAndSwap(slot, hold.word, dead)), // 3.
      ...session.flushes(slot, 8),
      ...raiseFloor(context, chain, copy.commitNumber),
    );
    if (found !== hold.word) throw corrupt(`slot ${addressText(slot)} changed under its lock`);
    hold.word = dead;
    hold.idleWord = stateWord(CellState.free, incarnation, 0);
    yield* round(...replaceEntry(context, entry, 0n)); // 4.
    session.cursors.delete(key);
    yield* dropEmptyTail(context, chain, entry.at, holds);
    yield* release(context, holds); // 5.
    session.pool.give(sizeClass, slot, incarnation);
    return true;
  } catch (error) {
    yield* letGo(context, holds);
    throw error;
  }
}

/** The entry that names the cursor's slot; undefined if the key is elsewhere or nowhere by now. */
export function* entryOf(
  context: Context,
  key: Key,
  cursor: Cursor,
  chain: BucketChain,
): Protocol<PlacedEntry | undefined> {
  for (const entry of chain.entries()) {
    if (entry.cell === cursor.slot) return entry;
  }
  // Not there: either gone, or the chain is damaged, which this look-up reports.
  yield* findLocked(context, key, chain);
  return undefined;
}

/**
 * Gives back the last overflow bucket if the entry at `cleared` was its only one. Only ever the
 * last: a reader that is on its way into it then misses nothing.
 */
function* dropEmptyTail(
  context: Context,
  chain: BucketChain,
  cleared: Address,
  holds: Hold[],
): Protocol<void> {
  const { session } = context;
  const last = chain.addresses.length - 1;
  const cell = chain.addresses[last] as Address;
  // A damaged word may hide buckets behind it: then nothing of the chain is given back.
  if (chain.damaged || last === 0 || cleared < cell || cleared >= cell + 256) return;
  const image = chain.images[last];
  let used = 0;
  for (let i = 0; i < bucketEntries; i += 1) if (image?.entryWord(i) !== 0n) used += 1;
  if (used > 1) return;
  const [bytes] = yield* round(read(cell, 8));
  const state = decodeState(wordAt(bytes, 0));
  if (session.held.has(cell) || state?.state !== CellState.live || state.owner !== 0) return;
  const live = stateWord(CellState.live, state.incarnation, 0);
  const mine = session.myWord(CellState.live, state.incarnation);
  // Durably ours before it is unlinked: a power failure in between must leave somebody to free it.
  const [found] = yield* take(context, cell, live, mine, ...session.flushes(cell, 8));
  if (found !== live) return;
  const hold = new Hold(cell, mine, stateWord(CellState.free, state.incarnation, 0));
  holds.push(hold);
  const at = (chain.addresses[last - 1] as Address) + bucketFields.next;
  const link = chain.images[last - 1]?.nextWord as bigint;
  yield* round(compareAndSwap(at, link, 0n), ...session.flushes(at, 8));
}
