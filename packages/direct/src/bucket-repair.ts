// Finishes what a dead client left half done in a bucket whose lock was taken over from it: deletes
// whose slot is dead already, moves whose old slot is moved already. Both had passed their commit
// point, so they are only ever finished. Every step may be repeated: a repairer may die too.

import {
  type Address,
  addressText,
  bucketFields,
  CellState,
  type CellWord,
  clearedEntry,
  decodeEntry,
  decodeState,
  numberWord,
  stateWord,
  wordAt,
} from "@pdpm/layout";
import { compareAndSwap, type Post, type Protocol, read, round } from "@pdpm/verbs";
import type { BucketChain, PlacedEntry } from "./bucket-chain.ts";
import { corrupt } from "./damage.ts";
import type { Context } from "./session.ts";
import { committedOffset, SlotView } from "./slot-view.ts";
import { reloadUnknown } from "./table-refresh.ts";

/** Enough for the word, a header and the longest key. */
const headBytes = 8 + 40 + 1024;

/** Repairs every entry of `chain`, which was read under the lock. Read it again afterwards. */
export function* repairBucket(context: Context, chain: BucketChain): Protocol<void> {
  const entries: PlacedEntry[] = [];
  for (const entry of chain.entries()) {
    if (yield* reloadUnknown(context, entry.cell, entry.sizeClass)) entries.push(entry);
  }
  if (entries.length === 0) return;
  const words = (yield* round(...entries.map(({ cell }) => read(cell, 8)))) as Uint8Array[];
  for (const [i, entry] of entries.entries()) {
    const word = decodeState(wordAt(words[i] as Uint8Array, 0));
    if (word?.state === CellState.dead) yield* finishDelete(context, chain, entry, word);
    else if (word?.state === CellState.moved) yield* finishMove(context, chain, entry, word);
    else if (entry.pending) yield* clearPending(context, entry);
  }
}

function* clearPending(context: Context, entry: PlacedEntry): Protocol<void> {
  const { at, word } = entry;
  yield* round(...context.session.flushes(at, 8), compareAndSwap(at, word, clearedEntry(word)));
}

/**
 * The slot is dead: raise the floor, clear the entry, and only then let the slot be used again. A
 * floor that is high enough already may be what the dead client did last: it is flushed all the
 * same, or the key's numbers would begin again after a power failure.
 */
export function* finishDelete(
  context: Context,
  chain: BucketChain,
  entry: PlacedEntry,
  word: CellWord,
): Protocol<void> {
  const { session } = context;
  const [bytes] = yield* round(read(entry.cell, committedOffset + 40 + 8));
  const number = yield* deadNumber(entry.cell, bytes);
  yield* round(...settleFloor(context, chain, number), ...session.flushes(entry.cell, 8));
  yield* round(...replaceEntry(context, entry, 0n));
  yield* freeCell(entry.cell, word);
}

function* deadNumber(slot: Address, head: Uint8Array): Protocol<number> {
  let view = new SlotView(slot, head);
  if (view.header(committedOffset) === "short") {
    const [more] = yield* round(read(slot, headBytes));
    view = new SlotView(slot, more);
  }
  const copy = view.header(committedOffset);
  if (typeof copy !== "object")
    throw corrupt(`the deleted slot ${addressText(slot)} does not verify`);
  return copy.commitNumber;
}

/**
 * The posts that replace an entry by `word`, durably. Under the bucket's lock an entry changes in
 * one way only: whoever inserted it posted the clearing of its mark beside the unlock, and verbs to
 * two nodes are not ordered, so it may come now. Hence the cleared form is replaced as well.
 */
export function replaceEntry(context: Context, entry: PlacedEntry, word: bigint): Post[] {
  const { at, pending } = entry;
  const posts: Post[] = [compareAndSwap(at, entry.word, word)];
  if (pending) posts.push(compareAndSwap(at, clearedEntry(entry.word), word));
  return [...posts, ...context.session.flushes(at, 8)];
}

/** The posts that raise a bucket's floor to `number`, durably; none if it is high enough. */
export function raiseFloor(context: Context, chain: BucketChain, number: number): Post[] {
  return chain.floor >= number ? [] : settleFloor(context, chain, number);
}

/** The same for a floor that may not be durable yet, high enough or not. */
function settleFloor(context: Context, chain: BucketChain, number: number): Post[] {
  const at = chain.home + bucketFields.floor;
  const { floorWord } = chain.homeImage;
  const raising = chain.floor >= number ? [] : [compareAndSwap(at, floorWord, numberWord(number))];
  return [...raising, ...context.session.flushes(at, 8)];
}

/** The old slot is moved: the entry takes the new slot from the intent word. */
function* finishMove(
  context: Context,
  chain: BucketChain,
  entry: PlacedEntry,
  word: CellWord,
): Protocol<void> {
  const { session } = context;
  const intent = chain.homeImage.intentWord;
  if (!decodeEntry(intent))
    throw corrupt(`the intent of bucket ${addressText(chain.home)} is damaged`);
  yield* round(...session.flushes(entry.cell, 8));
  yield* round(...replaceEntry(context, entry, intent));
  yield* freeCell(entry.cell, word);
}

/** Lets a cell whose state was `word` be used again. */
export function* freeCell(cell: Address, word: CellWord): Protocol<void> {
  const { state, incarnation, owner } = word;
  yield* round(
    compareAndSwap(
      cell,
      stateWord(state, incarnation, owner),
      stateWord(CellState.free, incarnation, 0),
    ),
  );
}
