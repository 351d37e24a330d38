// The chunk table: its head (generation, pressure, places in use, the next chunk number) and a
// record per chunk. The generation grows in the same commit as every change of a chunk, so a list
// of chunks belongs to a generation if that was the table's before and after the list was read:
// two answers of one generation name the same chunks.

import { PdpmError } from "@pdpm/base";
import { rootPlaces } from "./geometry.ts";
import type { ChunkEntry, ChunkTableReply, ReplyOf } from "./protocol.ts";
import { corruptRecord, decodeRecord, endOf } from "./record.ts";
import {
  type ChunkRecord,
  chunkIn,
  chunkRecordOf,
  chunksPrefix,
  type TableRecord,
  tableRecord,
} from "./records.ts";
import { attemptsMost, type Transaction } from "./transaction.ts";

const pageChunks = 256;

/** The table's head; a store that has none yet has no chunk but the root chunk. */
export async function readTable(
  transaction: Transaction,
  nodeCount: number,
  how: "get" | "peek" = "get",
): Promise<TableRecord> {
  const table = await transaction[how](tableRecord);
  if (table === undefined) {
    const places = Array.from({ length: nodeCount }, (_, node) => (node === 0 ? rootPlaces : 0));
    return { generation: 0, pressure: 0, nextChunk: 1, places };
  }
  if (table.places.length === nodeCount) return table;
  throw corruptRecord(tableRecord.key, `is of ${table.places.length} nodes, not ${nodeCount}`);
}

/** Writes the head as it is after a change; the result is its generation. */
export function writeTable(transaction: Transaction, table: TableRecord): number {
  const generation = table.generation + 1;
  transaction.put(tableRecord, { ...table, generation });
  return generation;
}

export function entryOf(chunk: number, record: ChunkRecord): ChunkEntry {
  const { node, place, sizeClass, state } = record;
  return { chunk, node, place, sizeClass, state };
}

/** Every chunk, by number. */
export async function listChunks(transaction: Transaction): Promise<readonly ChunkEntry[]> {
  const chunks: ChunkEntry[] = [];
  const end = endOf(chunksPrefix);
  for (let start = chunksPrefix; ; ) {
    const page = await transaction.range({ start, end, limit: pageChunks });
    for (const { key, value } of page) {
      const chunk = chunkIn(key);
      chunks.push(entryOf(chunk, decodeRecord(chunkRecordOf(chunk), value)));
    }
    if (page.length < pageChunks) return chunks;
    start = `${page.at(-1)?.key}\0`;
  }
}

/** The whole table as it was at one moment. @throws PDPM_BUSY when it does not stand still. */
export async function readWholeTable(
  transaction: Transaction,
  nodeCount: number,
): Promise<ChunkTableReply> {
  let before = await readTable(transaction, nodeCount, "peek");
  for (let attempt = 0; attempt < attemptsMost; attempt += 1) {
    const chunks = await listChunks(transaction);
    const { generation, pressure } = await readTable(transaction, nodeCount, "peek");
    if (generation === before.generation) return { generation, pressure, chunks };
    before = { ...before, generation };
  }
  throw new PdpmError("PDPM_BUSY", "the chunk table changes all the time; try again");
}

/** Tells everybody that space is short. */
export async function press(
  transaction: Transaction,
  nodeCount: number,
): Promise<ReplyOf["press"]> {
  const table = await readTable(transaction, nodeCount);
  return { generation: writeTable(transaction, { ...table, pressure: table.pressure + 1 }) };
}

/** The error for a store that has given out every chunk number. */
export function numbersUsedUp(): PdpmError {
  return new PdpmError("PDPM_NO_SPACE", "the store's chunk numbers are used up; copy it anew");
}
