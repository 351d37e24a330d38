// Repairs entry words. A damaged one is put right if it differs in one byte from an entry of a slot
// of this bucket; else it is cleared, and a live slot of this bucket that nobody names takes its
// place. Which is no guess: a slot says under its checksum whose it is, and was unlocked only after
// it was named.

import { type Key, keyText } from "@pdpm/kv";
import {
  type Address,
  addressText,
  bucketClass,
  CellState,
  chunkOf,
  clearedEntry,
  decodeEntry,
  entryWord,
} from "@pdpm/layout";
import type { Protocol } from "@pdpm/verbs";
import { isCellInUse } from "./audit-buckets.ts";
import { homeOf } from "./bucket-chain.ts";
import { correctionsOf } from "./corrections.ts";
import type { Problem } from "./findings.ts";
import type { Mender } from "./mender.ts";
import { readStanding } from "./repair-buckets.ts";
import { copyAt, keyOfSlot, readWhole } from "./slot-copies.ts";
import { committedOffset } from "./slot-view.ts";

/** An entry word that would name a slot of the bucket. */
interface Candidate {
  readonly word: bigint;
  readonly key: Key;
  readonly isHeld: boolean;
}

/** Puts a damaged entry word right, or clears it. */
export function* mendEntry(mender: Mender, { entry: at = 0, home = 0 }: Problem): Protocol<void> {
  const where = `entry ${addressText(at)}`;
  const { entries } = yield* readStanding(mender, home);
  const taken = new Set(entries.map(({ cell }) => cell));
  const words = correctionsOf(yield* mender.word(at));
  const candidates: Candidate[] = [];
  for (const word of words) {
    const candidate = yield* candidateOf(mender, home, word, taken);
    if (candidate !== undefined) candidates.push(candidate);
  }
  // A held slot may be one that was never named, while this entry named nothing.
  const mayBeUnused = words.includes(0n);
  const found =
    candidates.find(({ isHeld }) => !isHeld) ?? (mayBeUnused ? undefined : candidates[0]);
  const chosen = found ?? (yield* unnamedOf(mender, home, taken));
  if (chosen !== undefined) {
    yield* mender.set(at, chosen.word);
    mender.repaired.push(`${where}: it names the slot of ${keyText(chosen.key)} again`);
    return;
  }
  if (!mayBeUnused) {
    yield* mender.raiseFloor(home, undefined);
    mender.lost.push(`${where}: the key that it named cannot be told`);
  }
  yield* mender.set(at, 0n);
  mender.repaired.push(`${where}: cleared`);
}

/** What a word would name, if that is a slot of a key of this bucket which no entry names. */
function* candidateOf(
  mender: Mender,
  home: Address,
  word: bigint,
  taken: ReadonlySet<Address>,
): Protocol<Candidate | undefined> {
  const entry = decodeEntry(word);
  if (!entry || entry.sizeClass === bucketClass || taken.has(entry.cell)) return undefined;
  if (!isCellInUse(mender.context, entry.cell, entry.sizeClass)) return undefined;
  const view = yield* readWhole(entry.cell, entry.sizeClass);
  const state = view.word?.state;
  if (state === CellState.free || state === CellState.claimed) return undefined;
  const key = keyOfSlot(view, entry.sizeClass) ?? copyAt(view, committedOffset)?.key;
  if (key === undefined) return undefined;
  const right = homeOf(mender.context, key);
  if (right.bucket !== home || right.fingerprint !== entry.fingerprint) return undefined;
  return { word: clearedEntry(word), key, isHeld: view.word?.owner !== 0 };
}

/**
 * A live slot of this bucket that nobody holds or names, whose value verifies, of a key not here.
 */
function* unnamedOf(
  mender: Mender,
  home: Address,
  taken: Set<Address>,
): Protocol<Candidate | undefined> {
  const { table } = mender.session;
  const keys = new Set<Key | undefined>();
  for (const cell of taken) {
    const { sizeClass = 0 } = table.entry(chunkOf(cell)) ?? {};
    keys.add(keyOfSlot(yield* readWhole(cell, sizeClass), sizeClass));
  }
  for (const { kind, cell, home: itsHome } of mender.report.problems) {
    if (kind !== "unnamed" || itsHome !== home || cell === undefined || taken.has(cell)) continue;
    const sizeClass = mender.classOf(cell);
    const view = yield* readWhole(cell, sizeClass);
    const copy = copyAt(view, committedOffset);
    if (copy?.isWhole !== true || copy.incarnation !== view.word?.incarnation) continue;
    if (keys.has(copy.key)) continue;
    const { bucket, fingerprint } = homeOf(mender.context, copy.key);
    if (bucket !== home) continue;
    return { word: entryWord(cell, sizeClass, fingerprint, false), key: copy.key, isHeld: false };
  }
  return undefined;
}
