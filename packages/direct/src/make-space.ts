// More cells of a size class, for an operation that found none and holds nothing: a chunk that was
// full some time ago, a new chunk, or the space of a chunk of another class that is empty by now
// (H17).

import { isPdpmError, PdpmError } from "@pdpm/base";
import { Patience } from "@pdpm/kv";
import { addressOf, ChunkState, rootWords, tableWord } from "@pdpm/layout";
import { regionHeaderBytes } from "@pdpm/layout/region-header";
import { call, compareAndSwap, flush, type Protocol, round, write } from "@pdpm/verbs";
import { corrupt } from "./damage.ts";
import { release } from "./holds.ts";
import { retireEmptyChunk } from "./retire-chunk.ts";
import type { Context } from "./session.ts";
import { announce, giveUp, lockTable } from "./table-lock.ts";

/** Bytes wiped by one verb. */
const wipeBytes = 256 * 1024;

/** The server name under which a memory node takes requests for more space. */
export function nodeServer(node: number): string {
  return `memory-node ${node}`;
}

/** What is asked of it: the region is to reach at least this many bytes. */
export interface ExtendRequest {
  readonly extend: number;
}

/**
 * Returns when it is worth trying again.
 * @param needs - The classes that the operation has found no cell of, so far.
 * @throws PDPM_NO_SPACE (not-applied) when neither the class nor any larger one has a cell.
 */
export function* makeSpace(
  context: Context,
  sizeClass: number,
  needs: ReadonlySet<number>,
): Protocol<void> {
  const { session, operation } = context;
  const { pool, table } = session;
  // One operation of a client at a time makes space; the others take what it made.
  const patience = new Patience(context);
  for (;;) {
    if (yield* pool.lookUntilSeen(sizeClass)) return;
    if (!session.held.has(rootWords.tableLock)) break;
    operation.epoch = table.generation;
    yield* patience.wait("the chunk table is being changed by this client");
  }
  const before = table.chunksOf(sizeClass).length;
  const lock = yield* lockTable(context);
  try {
    // Somebody else may have been faster.
    let isNew = table.chunksOf(sizeClass).length > before;
    // One chunk that was full some time ago is looked at again before the store grows.
    if (!isNew && pool.reconsider(sizeClass)) isNew = yield* pool.lookUntilSeen(sizeClass);
    if (!isNew) isNew = yield* cutChunk(context, sizeClass);
    if (!isNew && (yield* retireEmptyChunk(context, lock, sizeClass, needs))) {
      isNew = yield* cutChunk(context, sizeClass);
    }
    yield* release(context, [lock]);
    if (isNew) {
      pool.feed(sizeClass);
      return;
    }
  } catch (error) {
    yield* giveUp(context, lock, error);
    throw error;
  }
  pool.starve(sizeClass);
  if (yield* pool.searchAll(sizeClass)) return;
  throw new PdpmError(
    "PDPM_NO_SPACE",
    "the store is full: delete something, or create it with a larger maxBytes",
  );
}

/** Gives the next chunk number to a free place of the node that has the fewest chunks. */
function* cutChunk(context: Context, sizeClass: number): Protocol<boolean> {
  const { session } = context;
  const { table, geometry } = session;
  if (table.chunksInUse >= session.chunksMost) return false;
  const chunk = table.count;
  if (chunk >= geometry.chunkNumbers) {
    throw new PdpmError("PDPM_NO_SPACE", "the store's chunk numbers are used up; copy it anew");
  }
  const places = table.freePlaces(session.nodeCount).sort((a, b) => a.used - b.used);
  for (const { node, place } of places) {
    const offset = regionHeaderBytes + place * geometry.chunkBytes;
    if (!(yield* extend(node, offset + geometry.chunkBytes))) continue;
    session.table.reach(chunk, node, place);
    yield* wipe(context, chunk);
    const at = geometry.tableWord(chunk);
    const word = tableWord({ state: ChunkState.active, sizeClass, node, place });
    const [found] = yield* round(compareAndSwap(at, 0n, word), ...session.flushes(at, 8));
    if (found !== 0n) throw corrupt(`the table word of chunk ${chunk} changed under the lock`);
    yield* round(...(yield* announce(context, chunk + 1)));
    yield* table.load();
    session.events.chunksCut += 1;
    return true;
  }
  return false;
}

function* extend(node: number, sizeBytes: number): Protocol<boolean> {
  const request: ExtendRequest = { extend: sizeBytes };
  const reply = yield [call(nodeServer(node), request)];
  if (!isPdpmError(reply[0])) return true;
  if ((reply[0] as PdpmError).code === "PDPM_NO_SPACE") return false;
  throw reply[0];
}

/** A place that carried another chunk before is all zeros again before its new number is known. */
function* wipe(context: Context, chunk: number): Protocol<void> {
  const { geometry, table } = context.session;
  if (!table.wasUsed()) return;
  const zeros = new Uint8Array(Math.min(wipeBytes, geometry.chunkBytes));
  for (let offset = 0; offset < geometry.chunkBytes; offset += zeros.length) {
    const at = addressOf(chunk, offset);
    yield* round(write(at, zeros), flush(at, zeros.length));
  }
}
