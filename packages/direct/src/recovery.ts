// Finishes what a dead client (or a lost reply of our own) left behind in one cell.
//
//   claimed                        nobody's: free it
//   live, locked, not in a bucket  an insert or a move that did not commit: free it
//   live, locked, in its bucket    an update: if the uncommitted copy verifies, has the slot's incarnation
//                                  and a higher commit number, it is committed: copy it over; then unlock
//   dead, moved                    its bucket's affair (bucket-repair.ts), or nobody's: free it
//
// It never undoes an update (H5). All but the first case is done under the key's bucket lock, so that an
// insert or move of somebody else cannot be half seen. Every step may be repeated: we may die too.

import { type Key, toKey } from "@pdpm/kv";
import {
  type Address,
  bucketClass,
  CellState,
  type CellWord,
  cellBytes,
  chunkOf,
  copyCapacity,
  copyHeaderBytes,
  decodeState,
  numberOf,
  type SlotCopy,
  stateWord,
  valueOffset,
  wordAt,
} from "@pdpm/layout";
import { compareAndSwap, type Protocol, read, round, verbBytesMost, write } from "@pdpm/verbs";
import { type BucketChain, homeOf } from "./bucket-chain.ts";
import { lockBucket } from "./bucket-lock.ts";
import { repairBucket } from "./bucket-repair.ts";
import { corrupt, corruptSlot } from "./damage.ts";
import { giveUpTaking, Hold, letGo, release } from "./holds.ts";
import type { Context } from "./session.ts";
import { committedOffset, SlotView } from "./slot-view.ts";

/**
 * Recovers the cell at `slot` if it is still held by `owner`, who can post nothing any more.
 * @param key - For messages, when the caller knows it.
 * @param chain - The key's bucket, when the caller holds its lock.
 */
export function* recoverSlot(
  context: Context,
  slot: Address,
  owner: number,
  key?: Key,
  chain?: BucketChain,
): Protocol<void> {
  const { session } = context;
  const sizeClass = session.table.entry(chunkOf(slot))?.sizeClass;
  if (sizeClass === undefined) throw corrupt(`no chunk carries cell ${slot}`);
  const [bytes] = yield* round(read(slot, 8));
  const word = decodeState(wordAt(bytes, 0));
  if (word === undefined) throw key === undefined ? corrupt(`cell ${slot}`) : corruptSlot(key, slot);
  if (word.owner !== owner || session.held.has(slot)) return;
  session.events.recoveries += 1;
  if (word.state === CellState.claimed) {
    yield* free(context, slot, word);
    return;
  }
  if (sizeClass === bucketClass) {
    yield* recoverOverflow(context, slot, word);
    return;
  }
  const image = yield* readCell(slot, sizeClass);
  const home = homeOf(context, ownKey(image, sizeClass, key)).bucket;
  if (chain !== undefined) {
    yield* underBucket(context, image, word, sizeClass, chain);
    return;
  }
  if (session.held.has(home)) return; // Our own operation on this bucket will meet it.
  const bucket = yield* lockBucket(context, home);
  try {
    yield* underBucket(context, image, word, sizeClass, bucket.chain);
    yield* release(context, [bucket.hold]);
  } catch (error) {
    yield* letGo(context, [bucket.hold]);
    throw error;
  }
}

/** Reads a whole cell, in as many verbs as it takes. */
function* readCell(slot: Address, sizeClass: number): Protocol<SlotView> {
  const bytes = new Uint8Array(cellBytes(sizeClass));
  for (let offset = 0; offset < bytes.length; offset += verbBytesMost) {
    const part = bytes.subarray(offset, Math.min(bytes.length, offset + verbBytesMost));
    yield* round(read(slot + offset, part.length, part));
  }
  return new SlotView(slot, bytes);
}

/** The key that stands in the slot, by whichever copy verifies. */
function ownKey(image: SlotView, sizeClass: number, asked: Key | undefined): Key {
  for (const offset of [committedOffset, committedOffset + copyCapacity(sizeClass)]) {
    const copy = image.header(offset);
    if (typeof copy !== "object" || copy.incarnation !== image.word?.incarnation) continue;
    const start = offset + copyHeaderBytes;
    return toKey(image.bytes.subarray(start, start + copy.keyBytes));
  }
  if (asked !== undefined) return asked;
  throw corrupt(`neither copy in cell ${image.slot} verifies`);
}

function* free(context: Context, cell: Address, word: CellWord): Protocol<void> {
  const { incarnation } = word;
  const idle = stateWord(CellState.free, incarnation, 0);
  yield* round(compareAndSwap(cell, stateWord(word.state, incarnation, word.owner), idle));
  context.session.doubts.delete(cell);
}

/** Under the bucket's lock: what becomes of the cell follows from whether the bucket names it. */
function* underBucket(
  context: Context,
  before: SlotView,
  word: CellWord,
  sizeClass: number,
  chain: BucketChain,
): Protocol<void> {
  const { session } = context;
  const slot = before.slot;
  const entry = [...chain.entries()].find(({ cell }) => cell === slot);
  if (entry === undefined) {
    yield* free(context, slot, word);
    return;
  }
  if (word.state !== CellState.live) {
    yield* repairBucket(context, chain);
    session.doubts.delete(slot);
    return;
  }
  const taken = stateWord(word.state, word.incarnation, word.owner);
  const mine = session.myWord(CellState.live, word.incarnation);
  session.held.add(slot);
  try {
    const [found] = yield* round(compareAndSwap(slot, taken, mine));
    if (found !== taken) {
      session.held.delete(slot);
      return;
    }
  } catch (error) {
    giveUpTaking(context, slot, error);
    throw error;
  }
  const hold = new Hold(slot, mine, stateWord(CellState.live, word.incarnation, 0));
  try {
    yield* redo(context, yield* readCell(slot, sizeClass), sizeClass);
    session.doubts.delete(slot);
    yield* release(context, [hold]);
  } catch (error) {
    // The update must not be lost: the lock stays, and recovery is tried again.
    hold.released = true;
    session.doubt(slot);
    throw error;
  }
}

/** Copies a committed update from the uncommitted space over the committed one. */
function* redo(context: Context, image: SlotView, sizeClass: number): Protocol<void> {
  const incarnation = image.word?.incarnation;
  const uncommittedOffset = committedOffset + copyCapacity(sizeClass);
  const committed = verified(image, committedOffset, incarnation);
  const uncommitted = verified(image, uncommittedOffset, incarnation);
  if (uncommitted === undefined) {
    if (committed === undefined) throw corrupt(`neither copy in cell ${image.slot} verifies`);
    return;
  }
  if (committed !== undefined && committed.commitNumber >= uncommitted.commitNumber) return;
  const length = valueOffset(uncommitted.keyBytes) + uncommitted.valueBytes;
  const bytes = image.bytes.slice(uncommittedOffset, uncommittedOffset + length);
  const at = image.slot + committedOffset;
  yield* round(write(at, bytes), ...context.session.flushes(at, bytes.length));
  context.session.events.redone += 1;
}

function verified(
  image: SlotView,
  offset: number,
  incarnation: number | undefined,
): SlotCopy | undefined {
  const copy = image.header(offset);
  if (typeof copy !== "object" || copy.incarnation !== incarnation) return undefined;
  return typeof image.value(offset, copy) === "object" ? copy : undefined;
}

/** An overflow bucket says itself which home bucket it was meant for. */
function* recoverOverflow(context: Context, cell: Address, word: CellWord): Protocol<void> {
  const { session } = context;
  const [bytes] = yield* round(read(cell + 8, 8));
  const home = numberOf(wordAt(bytes, 0));
  if (home === undefined) throw corrupt(`overflow bucket ${cell} is damaged`);
  if (session.held.has(home)) return;
  const { hold, chain } = yield* lockBucket(context, home);
  try {
    if (chain.addresses.includes(cell)) {
      const { state, incarnation, owner } = word;
      const idle = stateWord(CellState.live, incarnation, 0);
      yield* round(compareAndSwap(cell, stateWord(state, incarnation, owner), idle));
    } else {
      yield* free(context, cell, word);
    }
    session.doubts.delete(cell);
    yield* release(context, [hold]);
  } catch (error) {
    yield* letGo(context, [hold]);
    throw error;
  }
}
