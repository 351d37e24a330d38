// The life of a chunk: made at the end of a region, active, withdrawn, retired, and its place cut
// anew under a new number. Numbers are never used again.
//
// - A lease notes the chunks it takes spans of, so none of a withdrawn chunk is leased any more:
//   from then on its buffers only become free, until it is restored.
// - A chunk is retired when nothing of it is leased or taken, and cut anew when every live client
//   has acknowledged the generation of its retirement. Nobody can reach anything in it then (H3,
//   H17).

import { PdpmError } from "@pdpm/base";
import { bufferBytes, buffersPerChunk, headerChunk, spansPerChunk } from "@pdpm/layout";
import {
  countBits,
  difference,
  emptyBitmap,
  fullBitmap,
  isEmpty,
  padded,
  union,
} from "./bitmap.ts";
import { listClients } from "./clients.ts";
import { QueueEnd } from "./free-queue.ts";
import { buffersInSpan, type Geometry } from "./geometry.ts";
import {
  bitmapBytes,
  type ChunkEntry,
  type ChunkSpace,
  type ReplyOf,
  type SpanPart,
} from "./protocol.ts";
import { corruptRecord, decodeRecord, endOf } from "./record.ts";
import {
  chunkRecordOf,
  queueEntryOf,
  type SpanRecord,
  spanOf,
  spansPrefix,
  type TableRecord,
} from "./records.ts";
import { listChunks, numbersUsedUp, readTable, writeTable } from "./table.ts";
import type { Transaction } from "./transaction.ts";

/** Chunk numbers are below it: the last one names the regions' headers. */
const chunkNumbersEnd = headerChunk;

type Cut = Pick<ChunkEntry, "node" | "place" | "sizeClass">;

/** Where the next chunk would stand: at the end of the node that has the fewest. */
export async function placeToGrow(
  transaction: Transaction,
  geometry: Geometry,
): Promise<ReplyOf["lease"]> {
  const { chunkBytes, chunksMost, nodeCount, regionHeaderBytes } = geometry;
  const { places, nextChunk } = await readTable(transaction, nodeCount, "peek");
  const used = places.reduce((sum, count) => sum + count, 0);
  if (used >= chunksMost || nextChunk >= chunkNumbersEnd) return "full";
  const place = Math.min(...places);
  const node = places.indexOf(place);
  return { grow: { node, place, sizeBytes: regionHeaderBytes + (place + 1) * chunkBytes } };
}

export async function addChunk(
  transaction: Transaction,
  geometry: Geometry,
  cut: Cut,
): Promise<ReplyOf["addChunk"]> {
  const table = await readTable(transaction, geometry.nodeCount);
  const used = table.places.reduce((sum, count) => sum + count, 0);
  const next = table.places[cut.node] as number;
  if (cut.place < next) return "taken";
  if (cut.place > next) {
    throw new PdpmError("PDPM_INVALID_ARGUMENT", `place ${next} of node ${cut.node} comes first`);
  }
  if (used >= geometry.chunksMost) {
    throw new PdpmError("PDPM_NO_SPACE", `the store has ${used} chunks and may have no more`);
  }
  const places = table.places.map((count, node) => (node === cut.node ? count + 1 : count));
  return { chunk: await cutChunk(transaction, geometry, { ...table, places }, cut) };
}

/** Gives a place the next number: all buffers free, all spans queued. */
async function cutChunk(
  transaction: Transaction,
  { chunkBytes }: Geometry,
  table: TableRecord,
  { node, place, sizeClass }: Cut,
): Promise<number> {
  const chunk = table.nextChunk;
  if (chunk >= chunkNumbersEnd) throw numbersUsedUp();
  writeTable(transaction, { ...table, nextChunk: chunk + 1 });
  const record = { node, place, sizeClass, state: "active", retiredAt: 0 } as const;
  transaction.put(chunkRecordOf(chunk), record);
  const queue = new QueueEnd(transaction);
  for (let span = 0; span < spansPerChunk(chunkBytes, sizeClass); span += 1) {
    const buffers = buffersInSpan(chunkBytes, sizeClass, span);
    const none = emptyBitmap(buffers);
    const sequence = await queue.append(sizeClass, chunk, span);
    const free = fullBitmap(buffers);
    transaction.put(spanOf(chunk, span), { owner: 0, sequence, leased: none, free, spent: none });
  }
  return chunk;
}

/** Why no chunk of this class can be, or null. */
export function invalidClass({ chunkBytes }: Geometry, sizeClass: number): string | null {
  if (buffersPerChunk(chunkBytes, sizeClass) > 0) return null;
  return `a chunk of ${chunkBytes} bytes has no room for ${bufferBytes(sizeClass)}`;
}

/** Active to withdrawn, or back. Its spans stay in the queue, where leases pass them over. */
export async function setWithdrawn(
  transaction: Transaction,
  { nodeCount }: Geometry,
  chunk: number,
  isWithdrawn: boolean,
): Promise<"done" | "no"> {
  const record = await transaction.get(chunkRecordOf(chunk));
  const [before, after] = isWithdrawn
    ? (["active", "withdrawn"] as const)
    : (["withdrawn", "active"] as const);
  if (record?.state !== before) return "no";
  transaction.put(chunkRecordOf(chunk), { ...record, state: after });
  writeTable(transaction, await readTable(transaction, nodeCount));
  return "done";
}

export async function retire(
  transaction: Transaction,
  geometry: Geometry,
  chunk: number,
): Promise<ReplyOf["retire"]> {
  const record = await transaction.get(chunkRecordOf(chunk));
  if (record?.state !== "withdrawn") return "no";
  // The spans are not noted: as long as the chunk stays withdrawn, an unowned span stays unowned,
  // and a free buffer stays free.
  let isFull = false;
  for (const { owner, taken } of await spansOf(transaction, geometry, chunk, record.sizeClass)) {
    if (owner !== 0) return "busy";
    if (!isEmpty(taken)) isFull = true;
  }
  if (isFull) return "full";
  const generation = writeTable(transaction, await readTable(transaction, geometry.nodeCount));
  transaction.put(chunkRecordOf(chunk), { ...record, state: "retired", retiredAt: generation });
  return { generation };
}

export async function recut(
  transaction: Transaction,
  geometry: Geometry,
  chunk: number,
  sizeClass: number,
): Promise<ReplyOf["recut"]> {
  const record = await transaction.get(chunkRecordOf(chunk));
  if (record?.state !== "retired") return "no";
  // Whoever is missing in this list enters later, and has acknowledged the retirement by entering.
  const waitingFor = (await listClients(transaction))
    .filter(({ state, acknowledged }) => state === "live" && acknowledged < record.retiredAt)
    .map(({ id }) => id);
  if (waitingFor.length > 0) return { waitingFor };
  // Not noted either: nothing changes in a retired chunk.
  for (const { span, sequence } of await spansOf(transaction, geometry, chunk, record.sizeClass)) {
    transaction.put(spanOf(chunk, span), undefined);
    if (sequence === 0) continue;
    transaction.put(
      queueEntryOf({ sizeClass: record.sizeClass, sequence, chunk, span }),
      undefined,
    );
  }
  transaction.put(chunkRecordOf(chunk), undefined);
  const table = await readTable(transaction, geometry.nodeCount);
  const { node, place } = record;
  return { chunk: await cutChunk(transaction, geometry, table, { node, place, sizeClass }) };
}

interface SpanState extends SpanRecord {
  readonly span: number;
  readonly taken: Uint8Array;
}

/** All spans of a chunk. @throws PDPM_CORRUPT when one is missing */
async function spansOf(
  transaction: Transaction,
  { chunkBytes }: Geometry,
  chunk: number,
  sizeClass: number,
): Promise<readonly SpanState[]> {
  const start = spansPrefix(chunk);
  const limit = spansPerChunk(chunkBytes, sizeClass);
  const found = await transaction.range({ start, end: endOf(start), limit });
  return Array.from({ length: limit }, (_, span) => {
    const name = spanOf(chunk, span);
    const at = found[span];
    if (at?.key !== name.key) throw corruptRecord(name.key, "is missing");
    const record = decodeRecord(name, at.value);
    const { leased, free, spent } = record;
    const all = fullBitmap(buffersInSpan(chunkBytes, sizeClass, span));
    const taken = difference(all, union(leased, union(free, spent)));
    return { ...record, span, taken };
  });
}

/** What the store's buffers are, by chunk. Each span is as it was at some moment of the call. */
export async function measureSpace(
  transaction: Transaction,
  geometry: Geometry,
): Promise<readonly ChunkSpace[]> {
  const space: ChunkSpace[] = [];
  for (const entry of await listChunks(transaction)) {
    // Noted, so that spans of a chunk whose place is cut anew meanwhile are no damage.
    if ((await transaction.get(chunkRecordOf(entry.chunk))) === undefined) continue;
    const counts = { free: 0, leased: 0, taken: 0, spent: 0 };
    const spans = await spansOf(transaction, geometry, entry.chunk, entry.sizeClass);
    for (const span of spans) {
      for (const name of ["free", "leased", "taken", "spent"] as const) {
        counts[name] += countBits(span[name]);
      }
    }
    space.push({ ...entry, ...counts });
  }
  return space;
}

/** The buffers of a chunk that are live or not collected yet. */
export async function takenParts(
  transaction: Transaction,
  geometry: Geometry,
  chunk: number,
): Promise<readonly SpanPart[]> {
  const record = await transaction.get(chunkRecordOf(chunk));
  if (record === undefined) return [];
  const spans = await spansOf(transaction, geometry, chunk, record.sizeClass);
  return spans
    .filter(({ taken }) => !isEmpty(taken))
    .map(({ span, taken }) => ({ chunk, span, bitmap: padded(taken, bitmapBytes) }));
}
