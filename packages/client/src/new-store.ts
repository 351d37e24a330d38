// What a new store is like when its options leave something open, and whether a store that exists
// is what its options say.

import { PdpmError } from "@pdpm/base";
import type { StoreLabel } from "@pdpm/layout/region-header";
import type { CheckedOptions, Design } from "./options.ts";

const MIB = 2 ** 20;
/** A store whose size is bounded is cut into at least about this many chunks. */
const chunksAtLeast = 16;
const chunksWithoutBound = 2 ** 20 - 1;

/** The label of node 0 of a new store of `nodeCount` nodes. */
export function labelOfNew<V>(options: CheckedOptions<V>, nodeCount: number): StoreLabel {
  const { maxBytes } = options;
  const chunkBytes = options.chunkBytes ?? chunkBytesFor(maxBytes);
  const chunksMost = maxBytes === undefined ? chunksWithoutBound : chunksIn(maxBytes, chunkBytes);
  if (chunksMost < 3) {
    throw new PdpmError(
      "PDPM_INVALID_ARGUMENT",
      `maxBytes ${maxBytes} has no room for 3 chunks of ${chunkBytes}; raise it or lower chunkBytes`,
    );
  }
  return {
    design: options.design ?? "clover",
    durability: options.durability ?? "power",
    nodeId: 0,
    nodeCount,
    chunkBytes,
    chunksMost,
  };
}

function chunksIn(maxBytes: number, chunkBytes: number): number {
  return Math.min(chunksWithoutBound, Math.floor(maxBytes / chunkBytes));
}

function chunkBytesFor(maxBytes: number | undefined): number {
  if (maxBytes === undefined) return 16 * MIB;
  const fitting = 2 ** Math.floor(Math.log2(maxBytes / chunksAtLeast));
  return Math.min(16 * MIB, Math.max(4 * MIB, fitting));
}

/** Why a client of a store of this design cannot be what the caller asked for, or null. */
export function misfit<V>(options: CheckedOptions<V>, design: Design): string | null {
  const { cursors, eviction } = options;
  if (options.design !== undefined && options.design !== design) {
    return `the store is of design ${design}, not ${options.design}`;
  }
  if (cursors !== undefined && design === "central") {
    return "the store is of design central, whose clients remember no keys; leave cursors away";
  }
  if (eviction !== undefined && design !== "clover") {
    return `the store is of design ${design}, and eviction is for clover; leave it away`;
  }
  return null;
}

/** Why a store that exists is not what the caller asked for, or null. */
export function mismatch<V>(options: CheckedOptions<V>, label: StoreLabel): string | null {
  const { durability, chunkBytes, maxBytes } = options;
  const reason = misfit(options, label.design);
  if (reason !== null) return reason;
  if (durability !== undefined && durability !== label.durability) {
    return `the store's durability is ${label.durability}, fixed at its creation`;
  }
  if (chunkBytes !== undefined && chunkBytes !== label.chunkBytes) {
    return `the store's chunks have ${label.chunkBytes} bytes, fixed at its creation`;
  }
  if (maxBytes !== undefined && chunksIn(maxBytes, label.chunkBytes) !== label.chunksMost) {
    const isBounded = label.chunksMost < chunksWithoutBound;
    const bytes = isBounded ? `${label.chunksMost * label.chunkBytes} bytes` : "without a bound";
    return `the store's size is ${bytes}, fixed at its creation`;
  }
  return null;
}
