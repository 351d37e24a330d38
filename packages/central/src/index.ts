// Central: a coordinator runs every operation for its clients.
export { CentralBackend, type CentralBackendParts } from "./central-backend.ts";
export { CentralHost, type CentralHostParts } from "./central-host.ts";
export { type CoordinatorStats, coordinatorServer } from "./protocol.ts";
export type { Entering, Judgement } from "./takeover.ts";
