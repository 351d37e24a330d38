// The audit of the buckets and of the slots that they name: every word of a chain, and for each
// entry that it names a live slot of a key that belongs there, whose committed copy verifies.

import { type Key, keyText } from "@pdpm/kv";
import {
  type Address,
  addressText,
  BucketImage,
  bucketBytes,
  bucketClass,
  bucketEntries,
  bucketFields,
  CellState,
  ChunkState,
  chunkOf,
  decodeEntry,
  decodeState,
  type Entry,
  entryOffset,
  numberOf,
  wordAt,
} from "@pdpm/layout";
import { type Protocol, read, round } from "@pdpm/verbs";
import { isZero } from "./audit-root.ts";
import { homeOf } from "./bucket-chain.ts";
import type { Findings } from "./findings.ts";
import type { Context } from "./session.ts";
import { copyAt, readCommitted, readWhole, slotKeyText } from "./slot-copies.ts";
import { committedOffset } from "./slot-view.ts";

/** Home buckets read in one verb. */
const bucketsPerRead = 64;

/** Whether `address` is the start of a cell of this class in a chunk that is in use. */
export function isCellInUse(context: Context, address: Address, sizeClass: number): boolean {
  const { table } = context.session;
  const state = table.entry(chunkOf(address))?.state;
  const isInUse = state === ChunkState.active || state === ChunkState.retiring;
  return isInUse && table.isCell(address, sizeClass);
}

/** Audits every home bucket and what is behind it. The chunk table is loaded. */
export function* auditBuckets(context: Context, findings: Findings): Protocol<void> {
  const { geometry } = context.session;
  for (let first = 0; first < geometry.homeBuckets; first += bucketsPerRead) {
    const count = Math.min(bucketsPerRead, geometry.homeBuckets - first);
    const [bytes] = yield* round(read(geometry.homeBucket(first), count * bucketBytes));
    if (isZero(bytes)) continue;
    for (let i = 0; i < count; i += 1) {
      const home = bytes.subarray(i * bucketBytes, (i + 1) * bucketBytes);
      if (!isZero(home)) yield* auditChain(context, findings, geometry.homeBucket(first + i), home);
    }
  }
}

function* auditChain(
  context: Context,
  findings: Findings,
  home: Address,
  homeBytes: Uint8Array,
): Protocol<void> {
  const keys = new Set<Key>();
  let at = home;
  let bytes = homeBytes;
  // Ends: a bucket that is in a chain already is not followed.
  for (;;) {
    auditWords(findings, home, at, bytes);
    const image = new BucketImage(bytes);
    for (let index = 0; index < bucketEntries; index += 1) {
      const word = image.entryWord(index);
      if (word === 0n) continue;
      yield* auditEntry(context, findings, home, at + entryOffset(index), word, keys);
    }
    const next = nextOf(context, findings, home, at, image.nextWord);
    if (next === undefined) break;
    findings.named.set(next, at + bucketFields.next);
    findings.overflowBuckets += 1;
    at = next;
    [bytes] = yield* round(read(next, bucketBytes));
  }
  findings.keys += keys.size;
}

/** The words that are neither entries nor `next`. */
function auditWords(findings: Findings, home: Address, at: Address, bytes: Uint8Array): void {
  const word = (offset: number): bigint => wordAt(bytes, offset);
  const damaged = (offset: number, what: string): void =>
    findings.note("bucket-word", `bucket ${addressText(at)}: its ${what} is damaged`, {
      entry: at + offset,
      home,
    });
  const { lock, intent, floor } = bucketFields;
  const state = decodeState(word(lock));
  if (at !== home) {
    const place = { cell: at, entry: findings.named.get(at), home };
    const where = `overflow bucket ${addressText(at)}`;
    if (state === undefined) findings.note("state-word", `${where}: its state is damaged`, place);
    else if (state.owner !== 0) findings.hold(at, state.owner, place.entry, home);
    else if (state.state !== CellState.live) damaged(lock, "state");
    if (numberOf(word(intent)) !== home) damaged(intent, "home");
    if (word(floor) !== 0n) damaged(floor, "reserved word");
    return;
  }
  if (state === undefined || (state.owner === 0 && word(lock) !== 0n)) damaged(lock, "lock");
  else if (state.owner !== 0) findings.hold(home, state.owner, undefined, home);
  if (decodeEntry(word(intent)) === undefined) damaged(intent, "intent");
  const number = numberOf(word(floor));
  if (number === undefined) damaged(floor, "floor");
  else findings.sawNumber(number);
}

/** The overflow bucket behind the bucket at `at`. */
function nextOf(
  context: Context,
  findings: Findings,
  home: Address,
  at: Address,
  word: bigint,
): Address | undefined {
  if (word === 0n) return undefined;
  const next = decodeEntry(word);
  const isBucket = next?.sizeClass === bucketClass && isCellInUse(context, next.cell, bucketClass);
  if (next && isBucket && !findings.named.has(next.cell)) return next.cell;
  const text = `bucket ${addressText(at)}: its pointer to the next bucket is damaged`;
  findings.note("bucket-word", text, { entry: at + bucketFields.next, home });
  return undefined;
}

function* auditEntry(
  context: Context,
  findings: Findings,
  home: Address,
  at: Address,
  word: bigint,
  keys: Set<Key>,
): Protocol<void> {
  const where = `entry ${addressText(at)}`;
  const entry = decodeEntry(word);
  if (!entry) {
    findings.note("entry-word", `${where}: it is damaged; the key is unknown`, { entry: at, home });
    return;
  }
  const { cell, sizeClass } = entry;
  const place = { cell, entry: at, home };
  const misnamed = (reason: string, key?: Key): void => {
    const whose = key === undefined ? "" : ` for ${keyText(key)}`;
    findings.note("misnamed", `${where}${whose}: ${reason}`, { ...place, key });
  };
  if (sizeClass === bucketClass || !isCellInUse(context, cell, sizeClass)) {
    misnamed("names no cell of its class");
  } else if (findings.named.has(cell)) {
    misnamed(`names cell ${addressText(cell)}, which is named already`);
  } else {
    findings.named.set(cell, at);
    const key = yield* auditSlot(findings, home, at, entry);
    if (key === undefined) return;
    const right = homeOf(context, key);
    if (keys.has(key)) misnamed("the bucket names this key twice", key);
    else if (right.bucket !== home) misnamed("it is not in the bucket of its key", key);
    else if (right.fingerprint !== entry.fingerprint) misnamed("its fingerprint is wrong", key);
    else keys.add(key);
  }
}

/** The key of a live slot whose committed copy verifies; what is wrong with it is noted. */
function* auditSlot(
  findings: Findings,
  home: Address,
  entry: Address,
  { cell, sizeClass }: Entry,
): Protocol<Key | undefined> {
  const view = yield* readCommitted(cell, sizeClass);
  const { word } = view;
  const copy = copyAt(view, committedOffset);
  if (word !== undefined && word.owner !== 0) {
    findings.hold(cell, word.owner, entry, home); // Its holder's affair.
    return undefined;
  }
  const isGood = copy?.isWhole === true && copy.incarnation === word?.incarnation;
  if (isGood && word.state === CellState.live) {
    findings.sawNumber(copy.commitNumber);
    return copy.key;
  }
  const where = `cell ${addressText(cell)}`;
  const whose = slotKeyText(yield* readWhole(cell, sizeClass), sizeClass);
  const place = { cell, entry, home, key: copy?.key };
  if (word === undefined) {
    findings.note("state-word", `${where} of ${whose}: its state is damaged`, place);
  } else if (word.state !== CellState.live) {
    findings.note("not-live", `${where} of ${whose}: a bucket names it, but it is not live`, place);
  } else if (copy === undefined || copy.incarnation !== word.incarnation) {
    const text = `${where} of ${whose}: the header of its committed copy does not verify`;
    findings.note("copy", text, place);
  } else {
    findings.sawNumber(copy.commitNumber);
    findings.note("copy", `${where}: the value of ${whose} does not verify`, place);
  }
  return undefined;
}
