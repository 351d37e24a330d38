// More buffers of a size class, for an operation that found none. One operation of a client at a
// time makes space, and one client at a time collects; in this order:
//
//   1. What this client has not reported, and what it has in hand of other classes, becomes free.
//   2. It presses: at their next pulse the others do the same.
//   3. It claims the collector's office. As the collector:
//      - a chunk that is withdrawn or retired already is made use of;
//      - what dead clients held is taken back;
//      - a chunk without taken buffers becomes one of the wanted class;
//      - all chains are collected;
//      - the fullest loses: the chunk with the fewest taken buffers, for which there is room
//        elsewhere, is emptied and becomes one of the wanted class.
//   4. Nothing helped: the store is full.
//
// The operation holds nothing while it waits but a pointer that it looks at again (write-path.ts),
// so it never holds back its own client's acknowledgements. Deletes need no buffer and never come
// here.

import { PdpmError } from "@pdpm/base";
import { Patience } from "@pdpm/kv";
import type { ChunkSpace } from "@pdpm/metadata-server/protocol";
import type { Protocol } from "@pdpm/verbs";
import { ask, change } from "./calls.ts";
import { collectAll } from "./collect.ts";
import { settleDoubts } from "./doubts.ts";
import { recutChunk, replaceChunk } from "./empty-chunk.ts";
import { handBack } from "./hand-back.ts";
import { waitForAll } from "./others.ts";
import { reapClient } from "./reap.ts";
import { refill } from "./refill.ts";
import { retireAll } from "./retire.ts";
import type { Context } from "./session.ts";

/** Chunks that are tried to be emptied before the store counts as full. */
const emptiedMost = 4;

/** Returns when it is worth trying again. @throws PDPM_NO_SPACE (not-applied) */
export function* makeSpace(context: Context, sizeClass: number): Protocol<void> {
  const { session, operation } = context;
  const { spaceTurns: turns, table } = session;
  const arrivedAt = turns.begun;
  const patience = new Patience(context);
  while (turns.isTaken) {
    operation.epoch = table.generation;
    yield* patience.wait("this client is making space");
    if (!turns.isTaken && (yield* hasBuffers(context, sizeClass))) return;
    if (turns.hasFailedSince(arrivedAt, sizeClass)) throw noSpace();
  }
  turns.take();
  try {
    if (yield* findSpace(context, sizeClass)) return;
    turns.fail(sizeClass);
  } finally {
    turns.end();
  }
  throw noSpace();
}

function noSpace(): PdpmError {
  const text = "the store is full: delete something, or create it with a larger maxBytes";
  return new PdpmError("PDPM_NO_SPACE", text);
}

/** Whether there is a buffer in hand, or to be leased. */
function* hasBuffers(context: Context, sizeClass: number): Protocol<boolean> {
  const { pool, table } = context.session;
  const patience = new Patience(context);
  while (pool.count(sizeClass) === 0) {
    if (!pool.refilling.has(sizeClass)) return yield* refill(context, sizeClass);
    context.operation.epoch = table.generation;
    yield* patience.wait("buffers are being leased");
  }
  return true;
}

function* findSpace(context: Context, sizeClass: number): Protocol<boolean> {
  const { session } = context;
  const { pool, table } = session;
  pool.becomeModest();
  yield* retireAll(context);
  yield* settleDoubts(context);
  yield* handBack(context, (chunk, other) => other !== sizeClass || !table.isActive(chunk));
  if (yield* hasBuffers(context, sizeClass)) return true;
  const { generation } = yield* change(context, { do: "press" });
  yield* waitForAll(context, generation, new Patience(context));
  // What this press asks of us was done above.
  if (table.pressure === session.pressureAnswered + 1) {
    session.pressureAnswered = table.pressure;
  }
  if (yield* hasBuffers(context, sizeClass)) return true;
  if (!(yield* becomeCollector(context, sizeClass))) return true;
  try {
    return yield* collectSpace(context, sizeClass);
  } finally {
    yield* change(context, { do: "resign", office: "collector" });
  }
}

/** False when there is space before the office is free. */
function* becomeCollector(context: Context, sizeClass: number): Protocol<boolean> {
  const { session, operation } = context;
  const patience = new Patience(context);
  for (;;) {
    const claim = yield* change(context, { do: "claim", office: "collector" });
    if (claim === "claimed") return true;
    for (let holder = claim.holder; holder !== 0; ) {
      operation.epoch = session.table.generation;
      yield* patience.wait(`client ${holder} is making space`);
      holder = (yield* ask(context, { ask: "offices" })).collector;
    }
    if (yield* hasBuffers(context, sizeClass)) return false;
  }
}

/** What only the collector does. True when it is worth trying again. */
function* collectSpace(context: Context, sizeClass: number): Protocol<boolean> {
  if (yield* hasBuffers(context, sizeClass)) return true;
  if (yield* finishOthers(context, sizeClass)) return true;
  if ((yield* reapDead(context)) && (yield* hasBuffers(context, sizeClass))) return true;
  if (yield* replaceOne(context, sizeClass, isEmpty)) return true;
  if ((yield* collectAll(context)) && (yield* hasBuffers(context, sizeClass))) return true;
  return yield* replaceOne(context, sizeClass, hasRoomElsewhere);
}

/** What another collector began and did not end. */
function* finishOthers(context: Context, sizeClass: number): Protocol<boolean> {
  for (const one of yield* ask(context, { ask: "space" })) {
    const { chunk, state } = one;
    if (state === "retired") {
      const { table } = context.session;
      yield* table.load(context);
      return yield* recutChunk(context, chunk, sizeClass, table.generation);
    }
    if (state !== "withdrawn") continue;
    if (isEmpty(one)) return yield* replaceChunk(context, one, sizeClass);
    yield* change(context, { do: "restore", chunk });
    yield* context.session.table.load(context);
    if (one.sizeClass === sizeClass) return true;
  }
  return false;
}

function* reapDead(context: Context): Protocol<boolean> {
  const clients = yield* ask(context, { ask: "clients" });
  const dead = clients.filter(({ state }) => state === "dead");
  for (const { id } of dead) yield* reapClient(context, id);
  return dead.length > 0;
}

/** Makes one of the chunks that `isFit` a chunk of this class, the emptiest one that can be. */
function* replaceOne(
  context: Context,
  sizeClass: number,
  isFit: (chunk: ChunkSpace, all: readonly ChunkSpace[]) => boolean,
): Protocol<boolean> {
  const space = yield* ask(context, { ask: "space" });
  const chunks = space
    .filter(({ state }) => state === "active")
    .filter((one) => one.sizeClass !== sizeClass || one.spent > 0)
    .filter((one) => isFit(one, space))
    .sort((a, b) => a.taken + a.leased - (b.taken + b.leased));
  for (const chunk of chunks.slice(0, emptiedMost)) {
    if (yield* replaceChunk(context, chunk, sizeClass)) return true;
  }
  return false;
}

function isEmpty({ taken, leased }: ChunkSpace): boolean {
  return taken + leased === 0;
}

/** Whether the other chunks of its class have a free buffer for each that is in use here. */
function hasRoomElsewhere({ chunk, sizeClass, taken }: ChunkSpace, all: readonly ChunkSpace[]) {
  const free = all
    .filter((one) => one.sizeClass === sizeClass && one.chunk !== chunk && one.state === "active")
    .reduce((sum, one) => sum + one.free, 0);
  return free >= taken;
}
