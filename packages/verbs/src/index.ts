// The one-sided memory interface and the protocols' contract with it: rounds, the runner, fabrics.
export { applyPosts, asFailure } from "./apply.ts";
export { ArrayMemory } from "./array-memory.ts";
export { ChunkMap } from "./chunk-map.ts";
export { CounterTable, OperationCounters } from "./counters.ts";
export { type CallHandler, type Fabric, type NodeFabric, Router } from "./fabric.ts";
export { invalidRange, type Memory } from "./memory.ts";
export { type ExtendRequest, nodeServer } from "./node-server.ts";
export { type Limits, Operation } from "./operation.ts";
export { type Protocol, type RepliesOf, repliesTo, round, together } from "./protocol.ts";
export {
  call,
  commitPoint,
  compareAndSwap,
  type Failure,
  flush,
  optional,
  Post,
  pause,
  type Replies,
  type Round,
  read,
  Verb,
  verbBytesMost,
  write,
} from "./round.ts";
export { Runner, reasonFor } from "./runner.ts";
export { takeBuffer } from "./slab.ts";
export { throwIfAborted, Waits } from "./waits.ts";
