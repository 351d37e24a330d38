// Proves a quiet store's space: every cell is live, free or leased to an open client, and never two
// of these; every live cell is named by exactly one entry of its own key's bucket, and verifies;
// every word that carries a check byte agrees with it. Used by the tests (simulated and real) and
// by `pdpm fsck`. Reads everything; changes nothing.

import type { SpaceStats } from "@pdpm/kv";
import type { Address } from "@pdpm/layout";
import type { Protocol } from "@pdpm/verbs";
import { auditBuckets } from "./audit-buckets.ts";
import { auditCells } from "./audit-cells.ts";
import { auditRoot } from "./audit-root.ts";
import { enterTable } from "./enter-table.ts";
import { Findings, type HeldWord, type Problem } from "./findings.ts";
import type { Context } from "./session.ts";

export { countSpace } from "./audit-cells.ts";

/** What an audit found. */
export interface AuditReport {
  /** Empty: the store is sound. */
  readonly problems: readonly Problem[];
  readonly space: SpaceStats;
  readonly keys: number;
  /** Overflow buckets that a home bucket leads to. */
  readonly overflowBuckets: number;
  /** How many cells, buckets and root words carry a client's id, by client id. */
  readonly heldBy: ReadonlyMap<number, number>;
  /** Each of them, by address. */
  readonly held: ReadonlyMap<Address, HeldWord>;
  /** No commit number and no floor that can be read is above this. */
  readonly highestNumber: number;
}

/**
 * The whole audit. What running clients are about to change may be reported: ask when it is quiet.
 */
export function* auditStore(context: Context): Protocol<AuditReport> {
  const { session } = context;
  const findings = new Findings();
  let space: SpaceStats = {
    chunkBytes: session.geometry.chunkBytes,
    chunks: 0,
    chunksMost: session.chunksMost,
    cellsLive: 0,
    cellsFree: 0,
    cellsUncommitted: 0,
    bytesLive: 0,
  };
  // With a chunk table that cannot be read nothing can be said of what stands in the chunks.
  if (yield* auditRoot(session, findings)) {
    yield* enterTable(session);
    yield* auditBuckets(context, findings);
    space = yield* auditCells(context, findings);
  }
  const heldBy = new Map<number, number>();
  for (const { owner } of findings.held.values()) heldBy.set(owner, (heldBy.get(owner) ?? 0) + 1);
  const { problems, keys, overflowBuckets, held, highestNumber } = findings;
  return { problems, space, keys, overflowBuckets, heldBy, held, highestNumber };
}
