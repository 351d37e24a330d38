// Takes the number from a chunk and gives its place to a new one, of the class that is wanted
// (H17). Only the collector does that.
//
//   1. Withdraw it: nothing of it is handed out any more, and at their next pulse all clients give
//      back what they have in hand of it.
//   2. Empty it: superseded versions are freed, latest ones move (relocate.ts).
//   3. Zero its bytes, durably, so that the new chunk's buffers begin with no life of an old one.
//   4. Retire it, and wait until every client has acknowledged that: nobody can reach it then.
//   5. Cut its place anew, under the next number.
//
// - A chunk with anything leased or taken is never zeroed, and one that may have been zeroed is
//   never restored: its buffers would begin again with GC versions that stale cursors know (H2,
//   H3).
// - One that cannot be emptied is restored. A collector that dies leaves a withdrawn or retired
//   chunk, and the next one goes on with it.

import { Patience } from "@pdpm/kv";
import { addressOf, bufferBytes } from "@pdpm/layout";
import type { ChunkSpace } from "@pdpm/metadata-server/protocol";
import { type Protocol, round, write } from "@pdpm/verbs";
import { addressesIn } from "./buffer-pool.ts";
import { ask, change } from "./calls.ts";
import { handBack } from "./hand-back.ts";
import { looksMost, waitForAll } from "./others.ts";
import { relocate, relocatedPerRound } from "./relocate.ts";
import type { Context } from "./session.ts";

/** Bytes zeroed by one verb. */
const zeroBytes = 256 * 1024;
/** Bytes of the versions that are moved together, about. */
const movedBytesAbout: number = 4 * 2 ** 20;
/** Looks at a chunk that does not get any emptier. */
const triesMost = 4;
/** Waits between two looks: a look reads the records of the whole store's space. */
const waitsPerLook = 5;

/** Makes `chunk`, active or withdrawn, a chunk of the class `wanted`. False if it cannot be emptied. */
export function* replaceChunk(
  context: Context,
  { chunk, sizeClass, state }: ChunkSpace,
  wanted: number,
): Protocol<boolean> {
  const { table } = context.session;
  if (state === "active" && (yield* change(context, { do: "withdraw", chunk })) === "no") {
    return false;
  }
  let isEmpty = false;
  try {
    yield* table.load(context);
    isEmpty = yield* empty(context, chunk, sizeClass);
  } finally {
    // Told to stop, or after a failure, too. What is said to be empty may be zeroed already.
    if (!isEmpty) yield* restoreUnlessEmpty(context, chunk);
  }
  if (!isEmpty) return false;
  yield* zero(context, chunk);
  const retired = yield* change(context, { do: "retire", chunk });
  if (typeof retired === "string") return false;
  yield* table.load(context);
  return yield* recutChunk(context, chunk, wanted, retired.generation);
}

/**
 * The place of a retired chunk becomes a chunk of the class `wanted`, as soon as all have let go of
 * what was retired before `generation`.
 */
export function* recutChunk(
  context: Context,
  chunk: number,
  wanted: number,
  generation: number,
): Protocol<boolean> {
  const { table, events } = context.session;
  const patience = new Patience(context);
  for (;;) {
    // Not bounded by looks: it is empty and retired, there is no way back and nothing to lose.
    yield* waitForAll(context, generation, patience, Number.POSITIVE_INFINITY);
    const reply = yield* change(context, { do: "recut", chunk, sizeClass: wanted });
    if (reply === "no") return false;
    if ("chunk" in reply) {
      yield* table.load(context);
      events.chunksCut += 1;
      return true;
    }
    yield* patience.wait(`client ${reply.waitingFor[0]} has yet to see that a chunk is retired`);
  }
}

/** Whether nothing of the withdrawn chunk is leased or taken any more. */
function* empty(context: Context, chunk: number, sizeClass: number): Protocol<boolean> {
  const { table } = context.session;
  const patience = new Patience(context);
  let fewest = Number.POSITIVE_INFINITY;
  let stuck = 0;
  for (;;) {
    yield* handBack(context, (one) => !table.isActive(one));
    yield* waitForAll(context, table.generation, patience);
    const { leased, taken } = yield* spaceOf(context, chunk);
    if (leased === 0 && taken === 0) return true;
    stuck = taken < fewest ? 0 : stuck + 1;
    fewest = Math.min(fewest, taken);
    if (taken > 0 && stuck >= triesMost) return false;
    yield* relocateAll(context, chunk, sizeClass);
    if (leased === 0) continue;
    // In the hands of operations that are under way.
    if (patience.attempt >= looksMost) return false;
    for (let i = 0; i < waitsPerLook; i += 1) {
      yield* patience.wait(`buffers of chunk ${chunk} are being given back`);
    }
  }
}

function* relocateAll(context: Context, chunk: number, sizeClass: number): Protocol<void> {
  const most = Math.floor(movedBytesAbout / bufferBytes(sizeClass));
  const together = Math.max(1, Math.min(relocatedPerRound, most));
  for (const part of yield* ask(context, { ask: "taken", chunk })) {
    const addresses = addressesIn(part, sizeClass);
    for (let first = 0; first < addresses.length; first += together) {
      yield* relocate(context, sizeClass, addresses.slice(first, first + together));
    }
  }
}

function* restoreUnlessEmpty(context: Context, chunk: number): Protocol<void> {
  const { leased, taken } = yield* spaceOf(context, chunk);
  if (leased + taken > 0) yield* change(context, { do: "restore", chunk });
  yield* context.session.table.load(context);
}

/** What of a chunk is leased, and what is taken; nothing, when there is no such chunk. */
function* spaceOf(context: Context, chunk: number): Protocol<Pick<ChunkSpace, "leased" | "taken">> {
  const chunks = yield* ask(context, { ask: "space" });
  return chunks.find((one) => one.chunk === chunk) ?? { leased: 0, taken: 0 };
}

function* zero(context: Context, chunk: number): Protocol<void> {
  const { session } = context;
  const { table } = session;
  const zeros = new Uint8Array(Math.min(zeroBytes, table.chunkBytes));
  for (let offset = 0; offset < table.chunkBytes; offset += zeros.length) {
    const at = addressOf(chunk, offset);
    yield* round(write(at, zeros), ...session.flushes(at, zeros.length));
  }
}
