// More cells of a size class, for a write that found none: what was superseded is freed; then a
// chunk that nobody uses is given to the class.
//
// A chunk goes to another class under a new number, and only when it is empty (design section 2).
// Its place is zeroed before it is cut anew: what stood there means nothing under the new number.

import { assert, PdpmError } from "@pdpm/base";
import { addressOf } from "@pdpm/layout";
import type { ChunkSpace } from "@pdpm/metadata-server/protocol";
import { type Protocol, round, write } from "@pdpm/verbs";
import { ask, change } from "./calls.ts";
import { cleanAll } from "./clean.ts";
import { handBack } from "./hand-back.ts";
import type { Context } from "./session.ts";

/** Bytes zeroed with one verb. */
const zeroedBytes = 2 ** 20;

/** Returns when it is worth trying again. @throws PDPM_NO_SPACE (not-applied) */
export function* makeSpace(context: Context, sizeClass: number): Protocol<void> {
  const { session } = context;
  assert(!session.isMakingSpace, "one operation makes space at a time");
  session.isMakingSpace = true;
  try {
    if (yield* cleanAll(context)) return;
    if (yield* recutSome(context, sizeClass)) return;
  } finally {
    session.isMakingSpace = false;
  }
  const text = "the store is full: delete something, or create it with a larger maxBytes";
  throw new PdpmError("PDPM_NO_SPACE", text);
}

/** Gives a chunk without a live cell to this class. */
function* recutSome(context: Context, sizeClass: number): Protocol<boolean> {
  const { table } = context.session;
  yield* handBack(context, (chunk) => table.entry(chunk)?.sizeClass !== sizeClass);
  const chunks = yield* ask(context, { ask: "space" });
  for (const entry of chunks) {
    if (entry.taken + entry.leased > 0 || hasRoomFor(entry, sizeClass)) continue;
    if (yield* recut(context, entry, sizeClass)) return true;
  }
  return false;
}

/** Whether a chunk is of this class already, and not used up. */
function hasRoomFor(entry: ChunkSpace, sizeClass: number): boolean {
  return entry.state === "active" && entry.sizeClass === sizeClass && entry.free > 0;
}

function* recut(context: Context, entry: ChunkSpace, sizeClass: number): Protocol<boolean> {
  const { table, events } = context.session;
  const { chunk } = entry;
  if (entry.state !== "retired") {
    if (entry.state === "active") yield* change(context, { do: "withdraw", chunk });
    const reply = yield* change(context, { do: "retire", chunk });
    if (typeof reply === "string") {
      yield* change(context, { do: "restore", chunk });
      return false;
    }
  }
  table.reachAgain(entry);
  try {
    yield* zero(context, chunk);
  } finally {
    table.leave(chunk);
  }
  // Nothing of ours is under way there: no cell of it is mapped, in hand, or being freed.
  yield* table.load(context);
  yield* change(context, { do: "acknowledge", generation: table.generation });
  const reply = yield* change(context, { do: "recut", chunk, sizeClass });
  if (reply === "no" || "waitingFor" in reply) return false;
  events.chunksRecut += 1;
  yield* table.load(context);
  return true;
}

function* zero(context: Context, chunk: number): Protocol<void> {
  const { session } = context;
  const zeros = new Uint8Array(zeroedBytes);
  for (let offset = 0; offset < session.table.chunkBytes; offset += zeroedBytes) {
    const address = addressOf(chunk, offset);
    const bytes = zeros.subarray(0, session.table.chunkBytes - offset);
    yield* round(write(address, bytes), ...session.flushes(address, bytes.length));
  }
}
