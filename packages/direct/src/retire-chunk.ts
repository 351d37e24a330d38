// Takes the number from a chunk whose cells are all free, so that its space can be cut anew for
// another class (H17). Under the table lock:
//
//   1. The table says retiring: from now on nobody claims a cell there or follows a pointer there.
//   2. Every client acknowledges in its lease record that it has read that, and has no operation
//      left from before; or it is dead, hence fenced.
//   3. The cells are looked at once more. All free: the number is retired for ever. Otherwise
//      somebody was faster, and the chunk is active again.

import { Patience } from "@pdpm/kv";
import { bucketClass, CellState, ChunkState, decodeState, wordAt } from "@pdpm/layout";
import { type Protocol, read, round } from "@pdpm/verbs";
import type { Hold } from "./holds.ts";
import { judge } from "./judge.ts";
import { readLeases } from "./leases.ts";
import type { Context } from "./session.ts";
import { setChunkState } from "./table-lock.ts";

/** State words read in one round. */
const wordsPerRound = 256;
/**
 * Looks at the lease records before a client that does not acknowledge is not waited for any more.
 */
const looksMost = 400;

/**
 * Retires one empty chunk of another class. False when there is none. An insert may need a slot and
 * a bucket, one after the other, and lets go of the first when there is none of the second: with
 * space for one chunk only, each would take it from the other, without end. So a slot's class does
 * not take it from a bucket that the operation `needs` as well.
 */
export function* retireEmptyChunk(
  context: Context,
  lock: Hold,
  wanted: number,
  needs: ReadonlySet<number>,
): Protocol<boolean> {
  const { table } = context.session;
  const sparesBuckets = needs.has(bucketClass);
  const candidates = [...table.active()].filter(
    ({ sizeClass }) => sizeClass !== wanted && !(sparesBuckets && sizeClass === bucketClass),
  );
  for (const { chunk, sizeClass } of candidates) {
    if (!(yield* isAllFree(context, chunk, sizeClass))) continue;
    let isRetired = false;
    lock.isHalfDone = true;
    try {
      yield* setChunkState(context, chunk, ChunkState.retiring);
      context.operation.epoch = table.generation;
      isRetired =
        (yield* allAcknowledged(context)) && (yield* isAllFree(context, chunk, sizeClass));
    } finally {
      // Told to stop, or after a failure, it may stand as retiring without our table saying so.
      if (!isRetired) yield* table.load();
      const state = isRetired ? ChunkState.retired : ChunkState.active;
      if (table.entry(chunk)?.state !== state) yield* setChunkState(context, chunk, state);
      lock.isHalfDone = false;
    }
    if (isRetired) return true;
  }
  return false;
}

function* isAllFree(context: Context, chunk: number, sizeClass: number): Protocol<boolean> {
  const { table } = context.session;
  const cells = table.cellsPerChunk(sizeClass);
  for (let first = 0; first < cells; first += wordsPerRound) {
    const count = Math.min(wordsPerRound, cells - first);
    const posts = Array.from({ length: count }, (_, i) =>
      read(table.cell(chunk, sizeClass, first + i), 8),
    );
    const words = (yield* round(...posts)) as Uint8Array[];
    for (const word of words) {
      if (decodeState(wordAt(word, 0))?.state !== CellState.free) return false;
    }
  }
  return sizeClass <= bucketClass;
}

/** Waits until nobody can be under way in a chunk that is not active any more. */
function* allAcknowledged(context: Context): Protocol<boolean> {
  const { session } = context;
  const { generation } = session.table;
  const patience = new Patience(context);
  while (patience.attempt < looksMost) {
    let isDone = session.oldestEpoch(context.operation) >= generation;
    for (const lease of yield* readLeases(session)) {
      if (lease.clientId === session.clientId || lease.state === "dead") continue;
      if (lease.acknowledged >= generation) continue;
      const { alive } = yield* judge(context, lease.clientId);
      if (alive) isDone = false;
    }
    if (isDone) return true;
    yield* patience.wait("the other clients have yet to learn of a retired chunk");
  }
  return false;
}
