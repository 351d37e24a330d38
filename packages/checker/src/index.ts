// Histories of operations and whether they are linearizable; the invariants of a store, each a
// function. No I/O.
export {
  type BadLine,
  formatHeader,
  formatOperation,
  type HistoryHeader,
  historyFormat,
  isBadLine,
  parseHeader,
  parseHistory,
  parseOperation,
} from "./history.ts";
export {
  historyBreaches,
  noDeletedValueReturns,
  noWriteIsLost,
  operationsHaveAnOrder,
  valuesAreWritten,
  versionsGrow,
} from "./history-invariants.ts";
export { type CheckOptions, type CheckResult, checkLinearizability } from "./linearizability.ts";
export {
  invalidOperation,
  type Operation,
  type OperationKind,
  type OperationOutcome,
} from "./operation.ts";
export {
  everythingEnds,
  recoveryIsIdempotent,
  recoveryIsInTime,
  type SeedRun,
  seedsSayTheSame,
  tornIsNotBelieved,
} from "./run-invariants.ts";
export {
  indexAndDataAgree,
  liveVerifies,
  numbersOnlyGrow,
  type StoreAccount,
  spaceIsExact,
  storeBreaches,
} from "./store-invariants.ts";
export { drawTimeline } from "./timeline.ts";
export type { Mistake } from "./verdict.ts";
