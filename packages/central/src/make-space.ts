// More cells of a size class, for a write that found none. In this order:
//
//   1. What was superseded is freed, and what is in hand of other classes given back.
//   2. What another coordinator began and did not end is made use of.
//   3. A chunk without a live cell becomes one of the wanted class.
//   4. The chunk with the fewest live cells, for which there is room elsewhere, is emptied, and
//      becomes one of the wanted class (empty-chunk.ts).
//   5. Nothing helped: the store is full. A delete needs no cell, and never comes here.

import { Patience } from "@pdpm/kv";
import type { ChunkSpace } from "@pdpm/metadata-server/protocol";
import type { Protocol } from "@pdpm/verbs";
import { ask, change } from "./calls.ts";
import { cleanAll } from "./clean.ts";
import { recutChunk, replaceChunk } from "./empty-chunk.ts";
import { handBack } from "./hand-back.ts";
import { leaseCells } from "./lease-cells.ts";
import { noSpace } from "./no-space.ts";
import type { Context } from "./session.ts";

/** Chunks that are tried to be emptied before the store counts as full. */
const emptiedMost = 4;

/** Returns when it is worth trying again. @throws PDPM_NO_SPACE (not-applied) */
export function* makeSpace(context: Context, sizeClass: number): Protocol<void> {
  const { spaceTurns: turns } = context.session;
  const arrivedAt = turns.begun;
  const patience = new Patience(context);
  while (turns.isTaken) {
    yield* patience.wait("space is being made");
    if (turns.isTaken) continue;
    if (yield* leaseCells(context, sizeClass)) return;
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

function* findSpace(context: Context, sizeClass: number): Protocol<boolean> {
  const { table } = context.session;
  yield* cleanAll(context);
  yield* handBack(context, (chunk) => table.entry(chunk)?.sizeClass !== sizeClass);
  if (yield* leaseCells(context, sizeClass)) return true;
  if (yield* finishOthers(context, sizeClass)) return true;
  if (yield* replaceOne(context, sizeClass, isEmpty)) return true;
  return yield* replaceOne(context, sizeClass, hasRoomElsewhere);
}

/** What a coordinator began before this one, or this one in an operation that was told to stop. */
function* finishOthers(context: Context, sizeClass: number): Protocol<boolean> {
  for (const entry of yield* ask(context, { ask: "space" })) {
    const { chunk, state } = entry;
    if (state === "retired") return yield* recutChunk(context, entry, sizeClass);
    if (state !== "withdrawn") continue;
    if (isEmpty(entry)) return yield* replaceChunk(context, entry, sizeClass);
    yield* change(context, { do: "restore", chunk });
    yield* context.session.table.load(context);
    if (entry.sizeClass === sizeClass) return true;
  }
  return false;
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

/** Whether the other chunks of its class have a free cell for each that is in use here. */
function hasRoomElsewhere(
  { chunk, sizeClass, taken }: ChunkSpace,
  all: readonly ChunkSpace[],
): boolean {
  const free = all
    .filter((one) => one.sizeClass === sizeClass && one.chunk !== chunk && one.state === "active")
    .reduce((sum, one) => sum + one.free, 0);
  return free >= taken;
}
