// Leases: the metadata service hands out the free cells of whole spans, in the background and not
// in an operation's time (paper section 3.2: allocation is local). What it hands out is committed
// before it is handed out; a new chunk is made only after its memory node has the space.

import { assert, isPdpmError } from "@pdpm/base";
import {
  type Address,
  bufferFields,
  gcVersionIn,
  gcVersionMost,
  type Pointer,
  pointerTo,
  wordAt,
} from "@pdpm/layout";
import { bitmapBytes, type ReplyOf } from "@pdpm/metadata-server/protocol";
import { call, nodeServer, type Protocol, read, round } from "@pdpm/verbs";
import { change } from "./calls.ts";
import { cellsIn, type GrantedPart, setBit } from "./cell-pool.ts";
import { giveBack } from "./give-back.ts";
import type { Context } from "./session.ts";

type Grow = Extract<ReplyOf["lease"], { grow: unknown }>["grow"];

/** Leases more cells of a class; false when the store has none. One refill a class at a time. */
export function* refill(context: Context, sizeClass: number): Protocol<boolean> {
  const { pool, events } = context.session;
  assert(!pool.refilling.has(sizeClass), "one refill of a class at a time");
  pool.refilling.add(sizeClass);
  try {
    yield* reportUsedUp(context);
    const buffers = pool.want(sizeClass);
    for (;;) {
      const reply = yield* change(context, { do: "lease", sizeClass, buffers });
      if (reply === "full") return false;
      if ("grow" in reply) {
        if (!(yield* addChunk(context, sizeClass, reply.grow))) return false;
        continue;
      }
      events.refills += 1;
      pool.granted.push(...reply.spans.map((part) => ({ ...part, sizeClass })));
      yield* learnGranted(context);
      return true;
    }
  } finally {
    pool.refilling.delete(sizeClass);
  }
}

/** Reports the spans of which nothing is in hand any more. */
export function* reportUsedUp(context: Context): Protocol<void> {
  const { pool } = context.session;
  if (!pool.hasUsedUp) return;
  yield* giveBack(context, () => pool.takeUsedUp());
}

/** Space first, then the chunk: nothing is handed out that is not there. */
function* addChunk(context: Context, sizeClass: number, grow: Grow): Protocol<boolean> {
  const { node, place, sizeBytes } = grow;
  const [extended] = yield [call(nodeServer(node), { extend: sizeBytes })];
  if (isPdpmError(extended)) {
    if (extended.code === "PDPM_NO_SPACE") return false;
    throw extended;
  }
  // "taken": an earlier delivery made it, which is as good.
  yield* change(context, { do: "addChunk", node, place, sizeClass });
  context.session.events.chunksCut += 1;
  yield* context.session.table.load(context);
  return true;
}

/** Puts what was granted into the pool; whoever is told to stop leaves the rest to the next one. */
export function* learnGranted(context: Context): Protocol<void> {
  const { granted } = context.session.pool;
  for (let part = granted.shift(); part !== undefined; part = granted.shift()) {
    try {
      yield* addToPool(context, part);
    } catch (error) {
      granted.push(part);
      throw error;
    }
  }
}

/** Reads which life each cell of a granted span has next: one round trip. */
function* addToPool(context: Context, part: GrantedPart): Protocol<void> {
  const { pool, table } = context.session;
  const { sizeClass } = part;
  const cells = cellsIn(part, sizeClass);
  const [first] = cells;
  if (first !== undefined) yield* table.require(context, first.address);
  const reads = cells.map(({ address }) => read(address + bufferFields.self, 8));
  const words = reads.length === 0 ? [] : ((yield* round(...reads)) as Uint8Array[]);
  const pointers: Pointer[] = [];
  const spent = new Uint8Array(bitmapBytes);
  for (const [i, { address, bit }] of cells.entries()) {
    const life = nextLife(address, wordAt(words[i] as Uint8Array, 0));
    if (life === "spent") setBit(spent, bit);
    // A damaged one is never used again; fsck shows it.
    else if (life !== "damaged") pointers.push(life);
  }
  pool.add(sizeClass, part, pointers, spent);
}

/** The life that a cell whose self word is `word` has next. */
export function nextLife(address: Address, word: bigint): Pointer | "spent" | "damaged" {
  if (word === 0n) return pointerTo(address, 1);
  const gcVersion = gcVersionIn(word);
  if (gcVersion === 0 || word !== pointerTo(address, gcVersion)) return "damaged";
  return gcVersion === gcVersionMost ? "spent" : pointerTo(address, gcVersion + 1);
}
