// Repairs the words of buckets that are no entries: locks, intents, floors, and the pointers of
// overflow chains, which are found again by what every overflow bucket says of its home.

import {
  type Address,
  BucketImage,
  bucketBytes,
  bucketClass,
  bucketEntries,
  bucketFields,
  CellState,
  decodeEntry,
  decodeState,
  type Entry,
  entryOffset,
  entryWord,
  numberOf,
  numberWord,
  stateWord,
} from "@pdpm/layout";
import { type Protocol, read, round } from "@pdpm/verbs";
import { isCellInUse } from "./audit-buckets.ts";
import { correctionsOf } from "./corrections.ts";
import type { Problem } from "./findings.ts";
import type { Mender } from "./mender.ts";
import { keyOfSlot, readWhole } from "./slot-copies.ts";

/** An entry that can be read, and where it stands. */
export interface StandingEntry extends Entry {
  readonly at: Address;
}

/** The buckets of a home bucket as far as its pointers lead, and their entries that can be read. */
export function* readStanding(
  mender: Mender,
  home: Address,
): Protocol<{ buckets: Address[]; entries: StandingEntry[] }> {
  const buckets: Address[] = [];
  const entries: StandingEntry[] = [];
  let next: Address | undefined = home;
  while (next !== undefined && !buckets.includes(next)) {
    const at: Address = next;
    buckets.push(at);
    const [bytes] = yield* round(read(at, bucketBytes));
    const image = new BucketImage(bytes);
    for (let index = 0; index < bucketEntries; index += 1) {
      const entry = decodeEntry(image.entryWord(index));
      if (!entry || !isCellInUse(mender.context, entry.cell, entry.sizeClass)) continue;
      entries.push({ ...entry, at: at + entryOffset(index) });
    }
    const pointer: Entry | null | undefined = decodeEntry(image.nextWord);
    const isBucket = pointer && isCellInUse(mender.context, pointer.cell, bucketClass);
    next = pointer && isBucket ? pointer.cell : undefined;
  }
  return { buckets, entries };
}

/** Makes one word of a bucket whole. */
export function* mendBucketWord(mender: Mender, problem: Problem): Protocol<void> {
  const { entry: at = 0, home = 0, text } = problem;
  const offset = at % bucketBytes;
  const bucket = at - offset;
  if (offset === bucketFields.next) yield* mendNext(mender, problem);
  else if (bucket !== home) {
    const lives = decodeState(yield* mender.word(bucket))?.incarnation ?? 1;
    if (offset === bucketFields.lock) yield* mender.set(at, stateWord(CellState.live, lives, 0));
    else yield* mender.set(at, offset === bucketFields.intent ? numberWord(home) : 0n);
    mender.repaired.push(`${text}: written anew`);
  } else if (offset === bucketFields.floor) {
    yield* mender.set(at, mender.floorBeyond);
    mender.repaired.push(`${text}: it is now above every number in the store`);
  } else if (offset === bucketFields.lock) {
    // Like a leftover of our own: taking it back finishes what its holder left.
    yield* mender.set(at, mender.session.lockWord);
    mender.repaired.push(`${text}: taken`);
  } else {
    const intent = yield* intentOf(mender, problem);
    yield* mender.set(at, intent);
    mender.repaired.push(`${text}: ${intent === 0n ? "cleared" : "found again"}`);
  }
}

/** An intent counts while a slot of the bucket has moved: then it leads to the same key. */
function* intentOf(mender: Mender, { entry: at = 0, home = 0 }: Problem): Protocol<bigint> {
  const candidates = correctionsOf(yield* mender.word(at));
  for (const { cell, sizeClass } of (yield* readStanding(mender, home)).entries) {
    const moved = yield* readWhole(cell, sizeClass);
    if (moved.word?.state !== CellState.moved) continue;
    const key = keyOfSlot(moved, sizeClass);
    for (const word of candidates) {
      const to = decodeEntry(word);
      if (!to || key === undefined || to.sizeClass === bucketClass) continue;
      if (!isCellInUse(mender.context, to.cell, to.sizeClass)) continue;
      if (keyOfSlot(yield* readWhole(to.cell, to.sizeClass), to.sizeClass) === key) return word;
    }
  }
  return 0n;
}

/**
 * A pointer of a chain: what it may have been and leads to a bucket of this chain, or else nothing.
 */
function* mendNext(mender: Mender, { entry: at = 0, home = 0, text }: Problem): Protocol<void> {
  const { buckets } = yield* readStanding(mender, home);
  const candidates = correctionsOf(yield* mender.word(at));
  for (const word of candidates) {
    const next = decodeEntry(word);
    if (next?.sizeClass !== bucketClass || buckets.includes(next.cell)) continue;
    if (!isCellInUse(mender.context, next.cell, bucketClass)) continue;
    if (numberOf(yield* mender.word(next.cell + bucketFields.intent)) !== home) continue;
    const state = decodeState(yield* mender.word(next.cell))?.state;
    if (state !== undefined && state !== CellState.live) continue;
    yield* mender.set(at, word);
    mender.repaired.push(`${text}: found again`);
    return;
  }
  const lost = candidates.includes(0n) ? undefined : yield* firstLost(mender, home);
  yield* mender.set(at, lost === undefined ? 0n : entryWord(lost, bucketClass, 0, false));
  mender.repaired.push(`${text}: ${lost === undefined ? "cleared" : "it leads on again"}`);
}

/** Of the buckets of a chain that nothing leads to, one that no other of them leads to. */
function* firstLost(mender: Mender, home: Address): Protocol<Address | undefined> {
  const followers = new Set<Address>();
  const heads: Address[] = [];
  for (const { kind, cell, home: itsHome } of mender.report.problems) {
    if (kind !== "lost-bucket" || itsHome !== home || cell === undefined) continue;
    const next = decodeEntry(yield* mender.word(cell + bucketFields.next));
    // Behind one whose own pointer is damaged there may be more: it comes first.
    if (next === undefined) heads.unshift(cell);
    else heads.push(cell);
    if (next) followers.add(next.cell);
  }
  return heads.find((cell) => !followers.has(cell));
}

/** An overflow bucket that nothing leads to, and that no damaged pointer misses: it is nobody's. */
export function* mendLostBucket(mender: Mender, { cell = 0, text }: Problem): Protocol<void> {
  yield* mender.free(cell);
  mender.repaired.push(`${text}: freed`);
}
