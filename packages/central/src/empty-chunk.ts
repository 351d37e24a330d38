// Takes the number from a chunk and gives its place to a new one, of the class that is wanted
// (design section 2).
//
//   1. Withdraw it: nothing of it is handed out any more.
//   2. Empty it: its live cells move (relocate.ts), what was superseded is freed.
//   3. Retire it: from then on nothing of it is mapped, in hand, or being freed.
//   4. Zero its place, durably: what stood there means nothing under the new number.
//   5. Cut the place anew, under the next number.
//
// One that cannot be emptied is restored. A coordinator that dies leaves a withdrawn or retired
// chunk, and the next one goes on with it.

import { Patience } from "@pdpm/kv";
import { addressOf } from "@pdpm/layout";
import type { ChunkEntry, ChunkSpace } from "@pdpm/metadata-server/protocol";
import { type Protocol, round, write } from "@pdpm/verbs";
import { ask, change } from "./calls.ts";
import { cellsIn } from "./cell-pool.ts";
import { cleanAll } from "./clean.ts";
import { handBack } from "./hand-back.ts";
import { relocate } from "./relocate.ts";
import type { Context } from "./session.ts";

/** Bytes zeroed by one verb. */
const zeroBytes = 256 * 1024;
/** Looks at a chunk that does not get any emptier. */
const triesMost = 4;

/** Makes `entry`, active or withdrawn, a chunk of the class `wanted`. False if it cannot be. */
export function* replaceChunk(
  context: Context,
  entry: ChunkSpace,
  wanted: number,
): Protocol<boolean> {
  const { chunk, state } = entry;
  if (state === "active") yield* change(context, { do: "withdraw", chunk });
  let isRetired = false;
  try {
    yield* empty(context, entry);
    isRetired = typeof (yield* change(context, { do: "retire", chunk })) !== "string";
  } finally {
    // Told to stop, or after a failure, too: else its free cells would serve nobody.
    if (!isRetired) yield* change(context, { do: "restore", chunk });
  }
  return isRetired && (yield* recutChunk(context, entry, wanted));
}

/** The place of a retired chunk becomes a chunk of the class `wanted`. */
export function* recutChunk(
  context: Context,
  entry: ChunkEntry,
  wanted: number,
): Protocol<boolean> {
  const { table, events } = context.session;
  const { chunk } = entry;
  yield* table.load(context);
  table.reachAgain(entry);
  try {
    yield* zero(context, chunk);
  } finally {
    table.leave(chunk);
  }
  yield* change(context, { do: "acknowledge", generation: table.generation });
  const reply = yield* change(context, { do: "recut", chunk, sizeClass: wanted });
  // Another client of the service, on its way to the office, has yet to see the table.
  if (reply === "no" || "waitingFor" in reply) return false;
  events.chunksRecut += 1;
  yield* table.load(context);
  return true;
}

/** Moves what lives in a withdrawn chunk, as long as that makes it emptier. */
function* empty(context: Context, { chunk, sizeClass }: ChunkSpace): Protocol<void> {
  const patience = new Patience(context);
  let fewest = Number.POSITIVE_INFINITY;
  for (let tries = 0; tries < triesMost; ) {
    yield* cleanAll(context);
    yield* handBack(context, (one) => one === chunk);
    const { leased, taken } = yield* spaceOf(context, chunk);
    if (leased + taken === 0) return;
    tries = leased + taken < fewest ? 0 : tries + 1;
    fewest = Math.min(fewest, leased + taken);
    for (const part of yield* ask(context, { ask: "taken", chunk })) {
      for (const { address } of cellsIn(part, sizeClass)) yield* relocate(context, address);
    }
    // What is in the hands of operations ends, or is mapped and then moved.
    if (leased > 0) yield* patience.wait(`cells of chunk ${chunk} are in use`);
  }
}

/** What of a chunk is leased, and what is taken; nothing, when there is no such chunk. */
function* spaceOf(context: Context, chunk: number): Protocol<Pick<ChunkSpace, "leased" | "taken">> {
  const chunks = yield* ask(context, { ask: "space" });
  return chunks.find((one) => one.chunk === chunk) ?? { leased: 0, taken: 0 };
}

function* zero(context: Context, chunk: number): Protocol<void> {
  const { session } = context;
  const { chunkBytes } = session.table;
  const zeros = new Uint8Array(Math.min(zeroBytes, chunkBytes));
  for (let offset = 0; offset < chunkBytes; offset += zeros.length) {
    const at = addressOf(chunk, offset);
    yield* round(write(at, zeros), ...session.flushes(at, zeros.length));
  }
}
