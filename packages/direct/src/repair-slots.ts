// Repairs slots: damaged state words, committed copies that do not verify, cells that are named and
// must not be, live cells that nobody names. What cannot be mended is lost, and said to be.
//
// Never revives what was never committed, nor what was deleted: only the committed copy of a slot
// that its bucket names counts, or the uncommitted copy of the same life, which is written by
// updates alone.

import { type Key, keyText } from "@pdpm/kv";
import {
  type Address,
  addressText,
  bucketClass,
  CellState,
  chunkOf,
  decodeState,
  stateWord,
  valueOffset,
} from "@pdpm/layout";
import type { Protocol } from "@pdpm/verbs";
import { homeOf } from "./bucket-chain.ts";
import { correctionsOf, isNear } from "./corrections.ts";
import { type HeldWord, Problem } from "./findings.ts";
import type { Mender } from "./mender.ts";
import { readStanding } from "./repair-buckets.ts";
import { copyAt, keyOfSlot, readWhole, slotKeyText, uncommittedOffset } from "./slot-copies.ts";
import { committedOffset, type SlotView } from "./slot-view.ts";

/** A damaged state word: rebuilt from the committed copy if a bucket names the cell, else free. */
export function* mendState(mender: Mender, problem: Problem): Protocol<void> {
  const { cell = 0, entry, home, text } = problem;
  if (entry === undefined || home === undefined) {
    yield* mender.free(cell);
    mender.repaired.push(`${text}: freed`);
    return;
  }
  const sizeClass = mender.classOf(cell);
  const damaged = yield* mender.word(cell);
  if (sizeClass === bucketClass) {
    const words = correctionsOf(damaged).map(decodeState);
    const word = words.find((known) => known?.state === CellState.live && known.owner === 0);
    yield* mender.set(cell, stateWord(CellState.live, word?.incarnation ?? 1, 0));
    mender.repaired.push(`${text}: live again`);
    return;
  }
  const view = yield* readWhole(cell, sizeClass);
  const copy = copyAt(view, committedOffset);
  const isOurs = copy !== undefined && homeOf(mender.context, copy.key).bucket === home;
  const word = isOurs ? rebuilt(mender, home, damaged, copy.incarnation) : undefined;
  if (word === undefined) {
    yield* drop(mender, problem, view, sizeClass);
    return;
  }
  yield* mender.set(cell, word);
  mender.repaired.push(`${text}: rebuilt from its committed copy`);
}

/**
 * The state word of a named slot whose life is known. Only under its bucket's lock does a slot
 * become dead or moved: with the lock free it is live. Undefined when nothing tells whether it was
 * deleted.
 */
function rebuilt(
  mender: Mender,
  home: Address,
  damaged: bigint,
  incarnation: number,
): bigint | undefined {
  const live = stateWord(CellState.live, incarnation, 0);
  const owner = mender.report.held.get(home)?.owner;
  if (owner === undefined || isNear(damaged, live)) return live;
  for (const state of [CellState.live, CellState.dead, CellState.moved]) {
    const word = stateWord(state, incarnation, owner);
    if (isNear(damaged, word)) return word;
  }
  return undefined;
}

/**
 * A named, live slot whose committed copy is damaged: the uncommitted one of the same life will do.
 */
export function* mendCopy(mender: Mender, problem: Problem): Protocol<void> {
  const { cell = 0, home = 0, text } = problem;
  const sizeClass = mender.classOf(cell);
  const view = yield* readWhole(cell, sizeClass);
  const committed = copyAt(view, committedOffset);
  const offset = uncommittedOffset(sizeClass);
  const copy = copyAt(view, offset);
  const isGood = copy?.isWhole === true && copy.incarnation === view.word?.incarnation;
  const isOld =
    copy !== undefined &&
    committed !== undefined &&
    committed.incarnation === copy.incarnation &&
    committed.commitNumber > copy.commitNumber;
  if (!isGood || isOld || homeOf(mender.context, copy.key).bucket !== home) {
    yield* drop(mender, problem, view, sizeClass);
    return;
  }
  const length = valueOffset(copy.keyBytes) + copy.valueBytes;
  yield* mender.write(cell + committedOffset, view.bytes.slice(offset, offset + length));
  const key = keyText(copy.key);
  mender.repaired.push(`${text}: ${key} has version ${copy.commitNumber} from its other copy`);
}

/** Gives up a key: floor, entry, cell, in this order. */
function* drop(
  mender: Mender,
  { cell = 0, entry = 0, home = 0 }: Problem,
  view: SlotView,
  sizeClass: number,
): Protocol<void> {
  yield* mender.raiseFloor(home, committedNumber(view));
  yield* mender.set(entry, 0n);
  yield* mender.free(cell);
  const whose = slotKeyText(view, sizeClass);
  mender.lost.push(`${whose} is lost: no copy in cell ${addressText(cell)} can be believed`);
}

/** The number of the committed copy, if its header can be believed. */
function committedNumber(view: SlotView): number | undefined {
  const copy = copyAt(view, committedOffset);
  return copy?.incarnation === view.word?.incarnation ? copy?.commitNumber : undefined;
}

/** A named slot that is not live: its delete is finished, or its key is lost. */
export function* mendNotLive(mender: Mender, problem: Problem): Protocol<void> {
  const { cell = 0, entry = 0, home = 0, text } = problem;
  const sizeClass = mender.classOf(cell);
  const view = yield* readWhole(cell, sizeClass);
  if (view.word?.state !== CellState.dead) {
    yield* drop(mender, problem, view, sizeClass);
    return;
  }
  yield* mender.raiseFloor(home, committedNumber(view));
  yield* mender.set(entry, 0n);
  yield* mender.free(cell);
  mender.repaired.push(`${text}: its delete was finished`);
}

/**
 * An entry that names what it must not is cleared. The next audit shows what it alone had named.
 */
export function* mendMisnamed(
  mender: Mender,
  { entry = 0, home = 0, key, text }: Problem,
): Protocol<void> {
  if (key === undefined) {
    yield* mender.raiseFloor(home, undefined);
    mender.lost.push(`${text}; which key that was cannot be told`);
  }
  yield* mender.set(entry, 0n);
  mender.repaired.push(`${text}: cleared`);
}

/** A live slot that nothing names, and that no damaged entry is missing: it is nobody's. */
export function* mendUnnamed(mender: Mender, { cell = 0, home, text }: Problem): Protocol<void> {
  const sizeClass = mender.classOf(cell);
  const view = yield* readWhole(cell, sizeClass);
  const key = keyOfSlot(view, sizeClass);
  if (home !== undefined && !(yield* isNamed(mender, home, key))) {
    yield* mender.raiseFloor(home, committedNumber(view));
    const whose = slotKeyText(view, sizeClass);
    mender.lost.push(`${whose} is lost, if it was not deleted: no bucket names its cell`);
  }
  yield* mender.free(cell);
  mender.repaired.push(`${text}: freed`);
}

function* isNamed(mender: Mender, home: Address, key: Key | undefined): Protocol<boolean> {
  for (const { cell, sizeClass } of (yield* readStanding(mender, home)).entries) {
    if (keyOfSlot(yield* readWhole(cell, sizeClass), sizeClass) === key) return true;
  }
  return false;
}

/** A cell that nobody holds or names, and that is not free: free. */
export function* mendStray(mender: Mender, { cell = 0, text }: Problem): Protocol<void> {
  yield* mender.free(cell);
  mender.repaired.push(`${text}: freed`);
}

/**
 * What a dead client held and recovery could not settle, because what it needs to read is damaged.
 */
export function* mendHeld(
  mender: Mender,
  address: Address,
  { owner, entry, home }: HeldWord,
): Protocol<void> {
  const where = addressText(address);
  const word = decodeState(yield* mender.word(address));
  if (word?.owner === 0) return; // Settled with another one.
  if (chunkOf(address) === 0) yield* mender.set(address, 0n);
  else {
    const sizeClass = mender.classOf(address);
    if (entry === undefined || home === undefined) yield* mender.free(address);
    else if (word?.state === CellState.live || sizeClass === bucketClass) {
      // Unlocked; whether its copies verify is for the next audit to say.
      yield* mender.set(address, stateWord(CellState.live, word?.incarnation ?? 1, 0));
    } else {
      const problem = new Problem("not-live", `cell ${where}`, { cell: address, entry, home });
      yield* mendNotLive(mender, problem);
    }
  }
  mender.repaired.push(`${where}: the hold of client ${owner} was ended`);
}
