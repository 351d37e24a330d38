// Leases: the metadata service hands out the free buffers of whole spans, in its own good time and
// not in an operation's. What it hands out is committed before it is handed out; a new chunk is made
// only after its memory node has the space.

import { assert, isPdpmError } from "@pdpm/base";
import { type Address, bufferFields, gcVersionMost, type Pointer, wordAt } from "@pdpm/layout";
import type { SpanPart } from "@pdpm/metadata-server/protocol";
import { call, nodeServer, type Protocol, read, round } from "@pdpm/verbs";
import { addressesIn, nextLife } from "./buffer-pool.ts";
import { change } from "./calls.ts";
import type { Context } from "./session.ts";

/** Self words read in one round. */
const wordsPerRound = 256;

/** Leases more buffers of a class; false when the store has none. One refill a class at a time. */
export function* refill(context: Context, sizeClass: number): Protocol<boolean> {
  const { pool, events, table } = context.session;
  assert(!pool.refilling.has(sizeClass), "one refill of a class at a time");
  pool.refilling.add(sizeClass);
  try {
    const spent = pool.takeSpent();
    if (spent.length > 0) yield* reportSpent(context, spent);
    const buffers = pool.want(sizeClass);
    for (;;) {
      const reply = yield* change(context, { do: "lease", sizeClass, buffers });
      if (reply === "full") return false;
      if ("grow" in reply) {
        if (!(yield* addChunk(context, sizeClass, reply.grow))) return false;
        continue;
      }
      events.refills += 1;
      for (const part of reply.spans) {
        if (table.entry(part.chunk) === undefined) yield* table.load(context);
        yield* learn(context, sizeClass, part);
      }
      return true;
    }
  } finally {
    pool.refilling.delete(sizeClass);
  }
}

/** Every buffer of these spans was linked. */
export function* reportSpent(context: Context, spans: readonly SpanPart[]): Protocol<void> {
  try {
    yield* change(context, { do: "giveBack", spans });
  } catch (error) {
    context.session.pool.returnSpent(spans);
    throw error;
  }
}

/** Space first, then the chunk: nothing is handed out that is not there. */
function* addChunk(
  context: Context,
  sizeClass: number,
  grow: { readonly node: number; readonly place: number; readonly sizeBytes: number },
): Protocol<boolean> {
  const { node, place, sizeBytes } = grow;
  const [extended] = yield [call(nodeServer(node), { extend: sizeBytes })];
  if (isPdpmError(extended)) {
    if (extended.code === "PDPM_NO_SPACE") return false;
    throw extended;
  }
  // "taken": somebody else made a chunk there meanwhile, which is as good.
  yield* change(context, { do: "addChunk", node, place, sizeClass });
  context.session.events.chunksCut += 1;
  yield* context.session.table.load(context);
  return true;
}

/** Reads which life each leased buffer has next, and puts them in the pool. */
function* learn(context: Context, sizeClass: number, part: SpanPart): Protocol<void> {
  const { pool } = context.session;
  const addresses = addressesIn(part, sizeClass);
  const pointers: Pointer[] = [];
  for (let first = 0; first < addresses.length; first += wordsPerRound) {
    const some = addresses.slice(first, first + wordsPerRound);
    const words = yield* round(...some.map((address) => read(address + bufferFields.self, 8)));
    for (const [i, bytes] of (words as Uint8Array[]).entries()) {
      // A damaged one is never used again; fsck shows it.
      const pointer = nextLife(some[i] as Address, wordAt(bytes, 0), gcVersionMost);
      if (pointer !== undefined) pointers.push(pointer);
    }
  }
  pool.add(sizeClass, part.chunk, part.span, pointers);
}
