// A pointer may lead into a chunk that another client added a moment ago: then the table is read
// again.

import { Patience } from "@pdpm/kv";
import type { Address } from "@pdpm/layout";
import { ChunkState, chunkOf } from "@pdpm/layout";
import type { Protocol } from "@pdpm/verbs";
import type { Context } from "./session.ts";

/**
 * Whether `address` is a cell of this class that this operation may use, after reading the table
 * again if need be. Waits while the chunk is being retired: it comes back, or what pointed to it is
 * gone. But an operation that began before that goes on: the others wait for it.
 */
export function* reloadUnknown(
  context: Context,
  address: Address,
  sizeClass: number,
): Protocol<boolean> {
  const { table } = context.session;
  const { epoch } = context.operation;
  if (table.isUsable(address, epoch)) return table.isCell(address, sizeClass);
  const patience = new Patience(context);
  for (;;) {
    yield* table.load();
    if (table.isUsable(address, epoch)) return table.isCell(address, sizeClass);
    if (table.entry(chunkOf(address))?.state !== ChunkState.retiring) return false;
    yield* patience.wait(`chunk ${chunkOf(address)} is being retired`);
  }
}
