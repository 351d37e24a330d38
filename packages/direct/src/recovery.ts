// Finishes what a dead client (or a lost reply of our own) left behind in one cell.
//
//   claimed                        nobody's: free it
//   live, locked, not in a bucket  an insert or a move that did not commit: free it
//   live, locked, in its bucket    an update: if the uncommitted copy verifies, has the slot's
//   incarnation
//                                  and a higher commit number, it is committed: copy it over; then
//                                  unlock
//   dead, moved                    its bucket's affair (bucket-repair.ts), or nobody's: free it
//   an overflow bucket             in its chain: let go of it; else nobody's: free it
//
// It never undoes an update (H5). All but the first case is done under the key's bucket lock, so
// that an insert or move of somebody else cannot be half seen. Every step may be repeated: we may
// die too.

import { type Key, toKey } from "@pdpm/kv";
import {
  type Address,
  addressText,
  bucketBytes,
  bucketClass,
  bucketFields,
  CellState,
  type CellWord,
  ChunkState,
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
import { Hold, leaveInDoubt, letGo, release, take } from "./holds.ts";
import { isNamedAnywhere } from "./named-anywhere.ts";
import type { Context } from "./session.ts";
import { committedOffset, SlotView } from "./slot-view.ts";

/**
 * Recovers the cell at `slot` if it is still held by `owner`, who can post nothing any more.
 * @param key - For messages, when the caller knows it.
 * @param chain - The key's bucket, by a caller that holds its lock.
 * @returns whether nothing of `owner` stands there any more. False: another operation of this
 * client is at
 *   work there; the caller looks again later.
 */
export function* recoverSlot(
  context: Context,
  slot: Address,
  owner: number,
  key?: Key,
  chain?: BucketChain,
): Protocol<boolean> {
  const { session } = context;
  const chunk = session.table.entry(chunkOf(slot));
  if (chunk === undefined) throw corrupt(`no chunk carries cell ${addressText(slot)}`);
  if (chunk.state === ChunkState.retired) return true; // It was all free then.
  const [bytes] = yield* round(read(slot, 8));
  const word = decodeState(wordAt(bytes, 0));
  if (word === undefined)
    throw key === undefined
      ? corrupt(`the state of cell ${addressText(slot)} is damaged`)
      : corruptSlot(key, slot);
  if (session.held.has(slot)) return false;
  if (word.owner !== owner) return true;
  session.events.recoveries += 1;
  if (word.state === CellState.claimed) {
    yield* free(context, slot, word);
    return true;
  }
  const { sizeClass } = chunk;
  if (chain !== undefined) return yield* underBucket(context, slot, word, sizeClass, chain);
  const home =
    sizeClass === bucketClass
      ? yield* homeOfOverflow(slot)
      : yield* homeOfSlot(context, slot, word, sizeClass, key);
  if (home === undefined) return true;
  if (home === "none") {
    yield* free(context, slot, word);
    return true;
  }
  if (session.held.has(home)) return false;
  const bucket = yield* lockBucket(context, home);
  try {
    const isDone = yield* underBucket(context, slot, word, sizeClass, bucket.chain);
    yield* release(context, [bucket.hold]);
    return isDone;
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

/**
 * The home bucket of the key that stands in the slot; undefined when somebody changed it meanwhile,
 * "none" when it is nobody's.
 */
function* homeOfSlot(
  context: Context,
  slot: Address,
  word: CellWord,
  sizeClass: number,
  asked: Key | undefined,
): Protocol<Address | "none" | undefined> {
  const key = ownKey(yield* readCell(slot, sizeClass), word.incarnation, sizeClass) ?? asked;
  if (key !== undefined) return homeOf(context, key).bucket;
  // Read while somebody else recovered it and went on writing, or damaged.
  const [bytes] = yield* round(read(slot, 8));
  const { state, incarnation, owner } = word;
  if (wordAt(bytes, 0) !== stateWord(state, incarnation, owner)) return undefined;
  // Freed and claimed anew, and a power failure left of that its bytes alone.
  if (!(yield* isNamedAnywhere(context, slot))) return "none";
  throw corrupt(`neither copy in cell ${addressText(slot)} verifies`);
}

/** An overflow bucket says itself which home bucket it was meant for. */
function* homeOfOverflow(cell: Address): Protocol<Address> {
  const [bytes] = yield* round(read(cell + bucketFields.intent, 8));
  const home = numberOf(wordAt(bytes, 0));
  if (home === undefined) throw corrupt(`overflow bucket ${addressText(cell)} is damaged`);
  return home;
}

/** The key that stands in the slot, by whichever copy verifies. */
function ownKey(image: SlotView, incarnation: number, sizeClass: number): Key | undefined {
  for (const offset of [committedOffset, committedOffset + copyCapacity(sizeClass)]) {
    const copy = image.header(offset);
    if (typeof copy !== "object" || copy.incarnation !== incarnation) continue;
    const start = offset + copyHeaderBytes;
    return toKey(image.bytes.subarray(start, start + copy.keyBytes));
  }
  return undefined;
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
  slot: Address,
  word: CellWord,
  sizeClass: number,
  chain: BucketChain,
): Protocol<boolean> {
  const { session } = context;
  const entry = [...chain.entries()].find(({ cell }) => cell === slot);
  const isNamed = entry !== undefined || chain.addresses.includes(slot);
  // What no intact word names may be named by a damaged one: it is not nobody's then.
  if (!isNamed && chain.damaged) throw corrupt(`bucket ${addressText(chain.home)} is damaged`);
  // It may have been named a moment ago: what freed it must be durable before it is free.
  if (!isNamed) yield* flushChain(context, chain);
  if (sizeClass === bucketClass) {
    yield* letStand(context, slot, word, isNamed);
    return true;
  }
  if (entry === undefined) {
    yield* free(context, slot, word);
    return true;
  }
  if (word.state !== CellState.live) {
    yield* repairBucket(context, chain);
    session.doubts.delete(slot);
    return true;
  }
  return yield* finishUpdate(context, slot, word, sizeClass);
}

function* flushChain({ session }: Context, { addresses }: BucketChain): Protocol<void> {
  const posts = addresses.flatMap((address) => session.flushes(address, bucketBytes));
  if (posts.length > 0) yield* round(...posts);
}

/** A held overflow bucket is a bucket if the chain leads to it, else nobody's. */
function* letStand(
  context: Context,
  cell: Address,
  word: CellWord,
  isNamed: boolean,
): Protocol<void> {
  const { state, incarnation, owner } = word;
  const idle = stateWord(isNamed ? CellState.live : CellState.free, incarnation, 0);
  yield* round(compareAndSwap(cell, stateWord(state, incarnation, owner), idle));
  context.session.doubts.delete(cell);
}

/** Takes the slot's lock over, redoes the update if it was committed, and unlocks. */
function* finishUpdate(
  context: Context,
  slot: Address,
  word: CellWord,
  sizeClass: number,
): Protocol<boolean> {
  const { session } = context;
  if (session.held.has(slot)) return false;
  const taken = stateWord(word.state, word.incarnation, word.owner);
  const mine = session.myWord(CellState.live, word.incarnation);
  const [found] = yield* take(context, slot, taken, mine);
  if (found !== taken) return true;
  const hold = new Hold(slot, mine, stateWord(CellState.live, word.incarnation, 0));
  try {
    yield* redo(context, yield* readCell(slot, sizeClass), sizeClass);
  } catch (error) {
    // The update must not be lost: the lock stays, and recovery is tried again.
    leaveInDoubt(context, hold);
    throw error;
  }
  session.doubts.delete(slot);
  yield* release(context, [hold]);
  return true;
}

/**
 * Copies a committed update from the uncommitted space over the committed one. If that was done
 * already it may not be durable yet, and it must be before the slot is unlocked.
 */
function* redo(context: Context, image: SlotView, sizeClass: number): Protocol<void> {
  const incarnation = image.word?.incarnation;
  const uncommittedOffset = committedOffset + copyCapacity(sizeClass);
  const committed = verified(image, committedOffset, incarnation);
  const uncommitted = verified(image, uncommittedOffset, incarnation);
  const { session } = context;
  const at = image.slot + committedOffset;
  if (committed !== undefined && committed.commitNumber >= (uncommitted?.commitNumber ?? 0)) {
    const flushes = session.flushes(at, lengthOf(committed));
    if (flushes.length > 0) yield* round(...flushes);
    return;
  }
  if (uncommitted === undefined)
    throw corrupt(`neither copy in cell ${addressText(image.slot)} verifies`);
  const length = lengthOf(uncommitted);
  const bytes = image.bytes.slice(uncommittedOffset, uncommittedOffset + length);
  yield* round(
    // It may not be durable either, and there must always be one copy that is.
    ...session.flushes(image.slot + uncommittedOffset, length),
    write(at, bytes),
    ...session.flushes(at, length),
  );
  session.events.redone += 1;
}

/** Bytes of a copy with its header. */
function lengthOf({ keyBytes, valueBytes }: SlotCopy): number {
  return valueOffset(keyBytes) + valueBytes;
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
