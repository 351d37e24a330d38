// Histories of operations and whether they are linearizable. No I/O.
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
export { type CheckOptions, type CheckResult, checkLinearizability } from "./linearizability.ts";
export {
  invalidOperation,
  type Operation,
  type OperationKind,
  type OperationOutcome,
} from "./operation.ts";
export { drawTimeline } from "./timeline.ts";
export type { Mistake } from "./verdict.ts";
