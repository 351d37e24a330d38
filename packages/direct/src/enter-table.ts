// The first look at a store's chunk table, by a client that enters it: the table is read, and every
// node's memory must reach as far as the table says. A region's size stands in a header word
// without a checksum; one that was damaged to less is found here and not by whoever meets the gap.
//
// Safe against growth: a chunk stands in the table only after its node has the space.

import { isPdpmError, PdpmError } from "@pdpm/base";
import { addressOf } from "@pdpm/layout";
import { type Protocol, read, round } from "@pdpm/verbs";
import type { Session } from "./session.ts";

/**
 * Reads the whole table for the first time: one round trip more than `ChunkTable.load`.
 * @throws PDPM_CORRUPT when some chunk does not fit into its node's memory.
 */
export function* enterTable(session: Session): Protocol<void> {
  const { geometry, table } = session;
  try {
    yield* table.load();
    const lastWord = geometry.chunkBytes - 8;
    const reads = table.lastChunks().map((chunk) => read(addressOf(chunk, lastWord), 8));
    yield* round(...reads);
  } catch (error) {
    if (!isPdpmError(error) || error.code !== "PDPM_INVALID_ARGUMENT") throw error;
    const text = `the store's chunks do not fit into a memory node's region: ${error.text}`;
    throw new PdpmError("PDPM_CORRUPT", `${text}; its header's size or the table is damaged`, {
      cause: error,
    });
  }
}
