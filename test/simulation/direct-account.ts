// The account of a Direct store at rest, drawn up from its audit.

import type { StoreAccount } from "@pdpm/checker";
import type { AuditReport } from "@pdpm/direct";

/** `clientsLeft`: who has a lease record beside whoever audits. */
export function accountOf(report: AuditReport, clientsLeft: readonly number[]): StoreAccount {
  const { problems, heldBy, space, keys, overflowBuckets } = report;
  const { cellsLive, cellsUncommitted } = space;
  return {
    problems,
    keys,
    cellsLive,
    cellsOfIndex: overflowBuckets,
    cellsUncommitted,
    heldBy: [...heldBy.keys()],
    clientsLeft,
  };
}
