// The space of the whole store, as the metadata service has it.

import type { SpaceStats } from "@pdpm/kv";
import { bufferBytes } from "@pdpm/layout";
import type { Protocol } from "@pdpm/verbs";
import { ask } from "./calls.ts";
import { cleanAll } from "./clean.ts";
import { handBack } from "./hand-back.ts";
import type { Context } from "./session.ts";

/**
 * Counts cells. What was superseded is freed first, and what is in hand given back: the service
 * cannot tell cells that are mapped from those that are not before their span is given back. A
 * store at rest leases none again: else whoever counts meets what housekeeping leases because he
 * counts.
 */
export function* countSpace(context: Context): Protocol<SpaceStats> {
  yield* cleanAll(context);
  const { table, chunksMost, pool } = context.session;
  pool.becomeModest();
  yield* handBack(context, () => true);
  const chunks = yield* ask(context, { ask: "space" });
  let cellsLive = 0;
  let cellsFree = 0;
  let cellsUncommitted = 0;
  let bytesLive = 0;
  for (const { sizeClass, free, leased, taken } of chunks) {
    cellsLive += taken;
    cellsFree += free;
    cellsUncommitted += leased;
    bytesLive += taken * bufferBytes(sizeClass);
  }
  return {
    chunkBytes: table.chunkBytes,
    chunks: chunks.length + 1,
    chunksMost,
    cellsLive,
    cellsFree,
    cellsUncommitted,
    bytesLive,
  };
}
