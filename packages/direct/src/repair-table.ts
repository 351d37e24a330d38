// Repairs words of the chunk table. A damaged one is found again by what leads into its chunk:
// entries say its size class, and cells verify only under their own address, so they say its place.
// A chunk that nothing leads into has no key: its number is retired, and whatever place it had is
// wiped.

import {
  type Address,
  addressOf,
  BucketImage,
  bucketBytes,
  bucketClass,
  bucketEntries,
  bucketFields,
  ChunkState,
  cellBytes,
  chunkOf,
  decodeEntry,
  type Entry,
  isSizeClass,
  numberOf,
  offsetOf,
  rootWords,
  type TableEntry,
  tableWord,
  wordAt,
} from "@pdpm/layout";
import { flush, optional, type Protocol, read, round, write } from "@pdpm/verbs";
import { isZero, readTableWords, tableEntryOf } from "./audit-root.ts";
import type { Problem } from "./findings.ts";
import type { Mender } from "./mender.ts";
import { copyAt, readCommitted } from "./slot-copies.ts";
import { committedOffset } from "./slot-view.ts";

/** Pointers tried before a place is given up. */
const triesMost = 16;
const wipeBytes = 256 * 1024;
/** Home buckets read in one verb. */
const bucketsPerRead = 64;

type Table = Map<number, TableEntry>;

/** A pointer into a chunk whose table word is damaged. */
interface Lead {
  readonly entry: Entry;
  readonly home: Address;
}

/** Mends what can be mended of all damaged table words; the rest stays as it is. */
export function* mendTable(mender: Mender, problems: readonly Problem[]): Protocol<void> {
  const { session, changes } = mender;
  const count = Math.max(1, numberOf(yield* mender.word(rootWords.tableCount)) ?? 1);
  const table: Table = new Map();
  for (const [chunk, word] of yield* readTableWords(session)) {
    const entry = chunk === 0 || chunk > count ? undefined : tableEntryOf(session, word);
    if (entry !== undefined) table.set(chunk, entry);
  }
  const leads = yield* readLeads(mender, table);
  const unknown: Problem[] = [];
  for (const problem of problems) {
    const at = problem.entry ?? 0;
    const chunk = (at - session.geometry.tableWord(0)) / 8;
    const entry = table.get(chunk);
    if (entry?.state === ChunkState.retiring) {
      yield* mender.set(at, tableWord({ ...entry, state: ChunkState.active }));
      mender.repaired.push(`${problem.text}: it is active again`);
    } else if (entry === undefined && (chunk === 0 || chunk >= count)) {
      yield* mender.set(at, 0n);
      mender.repaired.push(`${problem.text}: cleared`);
    } else if (entry === undefined && leads.has(chunk)) {
      const found = yield* derive(mender, chunk, leads.get(chunk) ?? [], table);
      if (found === undefined) continue;
      table.set(chunk, found);
      yield* mender.set(at, tableWord(found));
      mender.repaired.push(`${problem.text}: found again by what leads into the chunk`);
    } else if (entry === undefined) unknown.push(problem);
  }
  // What leads into a chunk may stand behind one that was just found: then the next pass knows.
  if (mender.changes > changes) return;
  for (const problem of unknown) yield* retire(mender, problem, table);
}

/** Pointers into chunks that the table does not list, by chunk. */
function* readLeads(mender: Mender, table: Table): Protocol<Map<number, Lead[]>> {
  const { geometry } = mender.session;
  const leads = new Map<number, Lead[]>();
  const followed = new Set<Address>();
  for (const [chunk, { state, node, place }] of table) {
    if (state !== ChunkState.retired) mender.session.table.reach(chunk, node, place);
  }
  for (let first = 0; first < geometry.homeBuckets; first += bucketsPerRead) {
    const count = Math.min(bucketsPerRead, geometry.homeBuckets - first);
    const [images] = yield* round(read(geometry.homeBucket(first), count * bucketBytes));
    for (let i = 0; i < count; i += 1) {
      let bytes = images.subarray(i * bucketBytes, (i + 1) * bucketBytes);
      const home = geometry.homeBucket(first + i);
      while (!isZero(bytes)) {
        const image = new BucketImage(bytes);
        for (let index = 0; index < bucketEntries; index += 1) {
          noteLead(leads, table, home, image.entryWord(index));
        }
        const next = noteLead(leads, table, home, image.nextWord);
        if (next === undefined || followed.has(next)) break;
        followed.add(next);
        [bytes] = yield* round(read(next, bucketBytes));
      }
    }
  }
  return leads;
}

/** The cell that a pointer names if its chunk is known; a pointer into another one is noted. */
function noteLead(
  leads: Map<number, Lead[]>,
  table: Table,
  home: Address,
  word: bigint,
): Address | undefined {
  const entry = decodeEntry(word);
  if (!entry) return undefined;
  const chunk = chunkOf(entry.cell);
  const known = table.get(chunk);
  if (known !== undefined) {
    const isRight = known.state !== ChunkState.retired && known.sizeClass === entry.sizeClass;
    return isRight ? entry.cell : undefined;
  }
  const list = leads.get(chunk) ?? [];
  if (list.length < triesMost && isSizeClass(entry.sizeClass)) list.push({ entry, home });
  leads.set(chunk, list);
  return undefined;
}

/** The table entry of a chunk, by trying every place that no other chunk has. */
function* derive(
  mender: Mender,
  chunk: number,
  leads: readonly Lead[],
  table: Table,
): Protocol<TableEntry | undefined> {
  const { session } = mender;
  const sizeClass = leads[0]?.entry.sizeClass ?? -1;
  if (leads.some(({ entry }) => entry.sizeClass !== sizeClass)) return undefined;
  for (const { node, place } of yield* freePlaces(mender, chunk, table)) {
    session.table.reach(chunk, node, place);
    for (const lead of leads) {
      const offset = offsetOf(lead.entry.cell);
      const bytes = cellBytes(sizeClass);
      if (offset % bytes !== 0 || offset + bytes > session.geometry.chunkBytes) return undefined;
      if (yield* verifies(lead)) return { state: ChunkState.active, sizeClass, node, place };
    }
  }
  return undefined;
}

/** Whether what a pointer leads to was written for its address. */
function* verifies({ entry, home }: Lead): Protocol<boolean> {
  const { cell, sizeClass } = entry;
  if (sizeClass === bucketClass) {
    const [bytes] = yield* round(read(cell + bucketFields.intent, 8));
    return numberOf(wordAt(bytes, 0)) === home;
  }
  const view = yield* readCommitted(cell, sizeClass);
  return copyAt(view, committedOffset) !== undefined;
}

/** Places of all nodes, inside their regions, that no chunk in use has. `chunk` is used to look. */
function* freePlaces(
  mender: Mender,
  chunk: number,
  table: Table,
): Protocol<{ node: number; place: number }[]> {
  const { session } = mender;
  const used = new Set<string>(["0 0"]);
  for (const { state, node, place } of table.values()) {
    if (state !== ChunkState.retired) used.add(`${node} ${place}`);
  }
  const free: { node: number; place: number }[] = [];
  for (let node = 0; node < session.nodeCount; node += 1) {
    for (let place = 0; place <= session.chunksMost; place += 1) {
      session.table.reach(chunk, node, place);
      const last = addressOf(chunk, session.geometry.chunkBytes - 8);
      const [bytes] = yield* round(optional(read(last, 8)));
      if (bytes === undefined) break;
      if (!used.has(`${node} ${place}`)) free.push({ node, place });
    }
  }
  return free;
}

/** Nothing leads into the chunk: its number is given up, and whatever place it had is wiped. */
function* retire(mender: Mender, { entry: at = 0, text }: Problem, table: Table): Protocol<void> {
  const { session } = mender;
  const chunk = (at - session.geometry.tableWord(0)) / 8;
  const zeros = new Uint8Array(Math.min(wipeBytes, session.geometry.chunkBytes));
  for (const { node, place } of yield* freePlaces(mender, chunk, table)) {
    session.table.reach(chunk, node, place);
    for (let offset = 0; offset < session.geometry.chunkBytes; offset += zeros.length) {
      const there = addressOf(chunk, offset);
      yield* round(write(there, zeros), flush(there, zeros.length));
    }
  }
  const state = ChunkState.retired;
  yield* mender.set(at, tableWord({ state, sizeClass: 0, node: 0, place: 0 }));
  mender.repaired.push(`${text}: nothing leads into the chunk; its number is retired`);
}
