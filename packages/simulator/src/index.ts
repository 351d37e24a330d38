// A deterministic world for protocols: clients, memories and failures, moved by one seed. It knows
// no protocol of ours, no service and no client library: tests put those into it as they are.
export { type Chore, LaterReply } from "./chore.ts";
export { DurableMemory } from "./durable-memory.ts";
export { Interleaver } from "./interleaver.ts";
export { type DeathPoint, Mortal, pointsOf } from "./mortal.ts";
export type { InterleaverOptions } from "./options.ts";
export {
  dirtyWords,
  failedMemories,
  keptPrefixes,
  keptSubsets,
  PowerMemory,
} from "./power-memory.ts";
export { type Ended, SimulatedClient, Task } from "./task.ts";
export type { TraceOptions } from "./trace.ts";
