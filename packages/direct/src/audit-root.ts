// The audit of the root chunk's own words: table lock, count and generation, chunk table, lease
// records. Read raw: a chunk table that is damaged cannot be loaded, and then no cell can be looked
// at.

import {
  type Address,
  ChunkState,
  decodeLease,
  decodeState,
  decodeTable,
  isSizeClass,
  leaseFields,
  leaseRecordBytes,
  leaseRecordCount,
  numberOf,
  rootWords,
  rootWordsBytes,
  type TableEntry,
  wordAt,
} from "@pdpm/layout";
import { type Protocol, read, round } from "@pdpm/verbs";
import type { Findings } from "./findings.ts";
import type { Session } from "./session.ts";

/** Table words read in one verb. */
const wordsPerRead = 8192;
/** Lease records read in one verb. */
const recordsPerRead = 64;

/** Whether bytes, 8-byte aligned and whole words, are all zero. */
export function isZero(bytes: Uint8Array): boolean {
  const halves = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  return halves.every((half) => half === 0);
}

/** Every table word that is not 0, by chunk number. */
export function* readTableWords(session: Session): Protocol<Map<number, bigint>> {
  const { geometry } = session;
  const words = new Map<number, bigint>();
  for (let first = 0; first < geometry.chunkNumbers; first += wordsPerRead) {
    const count = Math.min(wordsPerRead, geometry.chunkNumbers - first);
    const [bytes] = yield* round(read(geometry.tableWord(first), count * 8));
    if (isZero(bytes)) continue;
    for (let i = 0; i < count; i += 1) {
      const word = wordAt(bytes, i * 8);
      if (word !== 0n) words.set(first + i, word);
    }
  }
  return words;
}

/** What a table word of a chunk number that was given out says; undefined if it is damaged. */
export function tableEntryOf(session: Session, word: bigint): TableEntry | undefined {
  const entry = decodeTable(word);
  if (entry === undefined || entry.state === ChunkState.unused) return undefined;
  if (entry.state > ChunkState.retired || !isSizeClass(entry.sizeClass)) return undefined;
  return entry.node < session.nodeCount ? entry : undefined;
}

/** Notes what is wrong with the root's words. True if the chunk table can be loaded. */
export function* auditRoot(session: Session, findings: Findings): Protocol<boolean> {
  yield* auditLeases(session, findings);
  const [words] = yield* round(read(rootWords.tableLock, rootWordsBytes));
  const damaged = (at: Address, what: string): void =>
    findings.note("root-word", `the ${what} of the chunk table is damaged`, { entry: at });
  const lockWord = wordAt(words, rootWords.tableLock);
  const lock = decodeState(lockWord);
  if (lock === undefined || (lock.owner === 0 && lockWord !== 0n)) {
    damaged(rootWords.tableLock, "lock");
  } else if (lock.owner !== 0) findings.hold(rootWords.tableLock, lock.owner);
  const generation = numberOf(wordAt(words, rootWords.tableGeneration));
  if (generation === undefined) damaged(rootWords.tableGeneration, "generation");
  const count = numberOf(wordAt(words, rootWords.tableCount));
  if (count === undefined || count > session.geometry.chunkNumbers) {
    damaged(rootWords.tableCount, "count");
    return false;
  }
  const isHeld = lock === undefined || lock.owner !== 0;
  const isTable = yield* auditTable(session, findings, Math.max(1, count), isHeld);
  return isTable && generation !== undefined;
}

/** True if every chunk that was given out can be found by the table. */
function* auditTable(
  session: Session,
  findings: Findings,
  count: number,
  isHeld: boolean,
): Protocol<boolean> {
  const words = yield* readTableWords(session);
  const places = new Set<string>(["0 0"]);
  let isWhole = true;
  for (const chunk of new Set([...Array(count).keys(), ...words.keys()])) {
    const word = words.get(chunk) ?? 0n;
    if (chunk === 0 && word === 0n) continue;
    const reason = reasonAgainst(session, chunk, word, count, isHeld, places);
    if (reason === undefined) continue;
    const entry = session.geometry.tableWord(chunk);
    findings.note("table-word", `chunk ${chunk}: ${reason}`, { entry });
    if (reason !== abandoned && chunk < count) isWhole = false;
  }
  return isWhole;
}

const abandoned = "it is being retired by nobody";

/** What is wrong with a table word; notes the place of one that is right. */
function reasonAgainst(
  session: Session,
  chunk: number,
  word: bigint,
  count: number,
  isHeld: boolean,
  places: Set<string>,
): string | undefined {
  const entry = chunk === 0 ? undefined : tableEntryOf(session, word);
  if (entry === undefined) return "its word in the chunk table is damaged";
  // One beyond the count may stand filled in: whoever did that died before counting it.
  if (chunk > count) return "it was never given out, but is in the chunk table";
  if (entry.state === ChunkState.retired) return undefined;
  const place = `${entry.node} ${entry.place}`;
  if (places.has(place)) return "another chunk has its place";
  places.add(place);
  return entry.state === ChunkState.retiring && !isHeld ? abandoned : undefined;
}

function* auditLeases(session: Session, findings: Findings): Protocol<void> {
  for (let first = 0; first < leaseRecordCount; first += recordsPerRead) {
    const at = session.geometry.leaseRecord(first);
    const [bytes] = yield* round(read(at, recordsPerRead * leaseRecordBytes));
    if (isZero(bytes)) continue;
    for (let i = 0; i < recordsPerRead; i += 1) {
      const offset = i * leaseRecordBytes;
      if (isRecord(bytes.subarray(offset, offset + leaseRecordBytes))) continue;
      const text = `lease record ${first + i} is damaged`;
      findings.note("lease-record", text, { entry: at + offset });
    }
  }
}

/** Whether every word of a record, also of one that is free, is what it may be. */
function isRecord(bytes: Uint8Array): boolean {
  if (decodeLease(bytes) === undefined) return false;
  const { heartbeat, acknowledged, holder } = leaseFields;
  const isNumber = (at: number): boolean => numberOf(wordAt(bytes, at)) !== undefined;
  return [heartbeat, acknowledged, holder].every(isNumber) && isZero(bytes.subarray(32));
}
