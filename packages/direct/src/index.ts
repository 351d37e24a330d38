// pDPM-Direct: clients do everything, on memory nodes alone.
export { type AuditReport, auditStore, countSpace } from "./audit.ts";
export { DirectBackend } from "./direct-backend.ts";
export { enterTable } from "./enter-table.ts";
export { type Judgement, type JudgeRequest, judge, membersServer } from "./judge.ts";
export { bucketsPerPage, scanPage } from "./key-scan.ts";
export {
  acknowledge,
  findLease,
  freeLease,
  heartbeat,
  markDead,
  type PlacedLease,
  readLeases,
  takeLease,
} from "./leases.ts";
export { type ExtendRequest, nodeServer } from "./make-space.ts";
export { readKey } from "./read-path.ts";
export { reapClient, settle, takeBackHolds } from "./reap.ts";
export { type RepairReport, repairStore } from "./repair.ts";
export { type Context, type DirectEvents, Session, type SessionOptions } from "./session.ts";
export { writeKey } from "./write-path.ts";
