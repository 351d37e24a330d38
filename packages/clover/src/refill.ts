// Leases: the metadata service hands out the free buffers of whole spans, in its own good time and
// not in an operation's. What it hands out is committed before it is handed out; a new chunk is
// made only after its memory node has the space.

import { assert, isPdpmError } from "@pdpm/base";
import { type Address, bufferFields, type Pointer, wordAt } from "@pdpm/layout";
import { bitmapBytes, type SpanPart } from "@pdpm/metadata-server/protocol";
import { call, nodeServer, type Protocol, read, round } from "@pdpm/verbs";
import { addressesIn, markIn, nextLife } from "./buffer-pool.ts";
import { change } from "./calls.ts";
import { giveBackSpans } from "./give-back.ts";
import type { Context } from "./session.ts";

/** Self words read in one round. */
const wordsPerRound = 256;

/** Leases more buffers of a class; false when the store has none. One refill a class at a time. */
export function* refill(context: Context, sizeClass: number): Protocol<boolean> {
  const { pool, events } = context.session;
  assert(!pool.refilling.has(sizeClass), "one refill of a class at a time");
  pool.refilling.add(sizeClass);
  try {
    yield* giveBackSpans(context);
    const buffers = pool.want(sizeClass);
    for (;;) {
      const reply = yield* change(context, { do: "lease", sizeClass, buffers });
      if (reply === "full") return false;
      if ("grow" in reply) {
        if (!(yield* addChunk(context, sizeClass, reply.grow))) return false;
        continue;
      }
      events.refills += 1;
      yield* learnAll(context, sizeClass, reply.spans);
      return true;
    }
  } finally {
    pool.refilling.delete(sizeClass);
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

/** Puts what was leased in the pool; what a failure leaves over is to be given back. */
function* learnAll(
  context: Context,
  sizeClass: number,
  parts: readonly SpanPart[],
): Protocol<void> {
  const { pool, table } = context.session;
  let learnt = 0;
  try {
    for (const part of parts) {
      if (table.entry(part.chunk) === undefined) yield* table.load(context);
      yield* learn(context, sizeClass, part);
      learnt += 1;
    }
  } catch (error) {
    pool.keepToReport(parts.slice(learnt));
    throw error;
  }
}

/** Reads which life each leased buffer has next, and puts them in the pool. */
function* learn(context: Context, sizeClass: number, part: SpanPart): Protocol<void> {
  const { pool } = context.session;
  const addresses = addressesIn(part, sizeClass);
  const pointers: Pointer[] = [];
  const spent = new Uint8Array(bitmapBytes);
  for (let first = 0; first < addresses.length; first += wordsPerRound) {
    const some = addresses.slice(first, first + wordsPerRound);
    const words = yield* round(...some.map((address) => read(address + bufferFields.self, 8)));
    for (const [i, bytes] of (words as Uint8Array[]).entries()) {
      const address = some[i] as Address;
      const next = nextLife(address, wordAt(bytes, 0));
      if (next === "spent") markIn(spent, sizeClass, address);
      // A damaged one is never used again; fsck shows it.
      else if (next !== undefined) pointers.push(next);
    }
  }
  pool.add(sizeClass, part, pointers, spent);
}
