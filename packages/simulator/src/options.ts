// What a run is made of: its seed, its memories, who answers calls, and how unkind time is.

import type { Memory } from "@pdpm/verbs";
import type { SimulatedClient } from "./task.ts";
import type { TraceOptions } from "./trace.ts";

/** What an interleaver is made of. */
export interface InterleaverOptions {
  readonly seed: number | string;
  /** By node number. Flushes must be ready at once. */
  readonly memories: readonly Memory[];
  /** Answers calls, at once or with a LaterReply; may throw PdpmError, kill, fence and spawn. */
  readonly answer: (client: SimulatedClient, server: string, request: unknown) => unknown;
  /** Micro-steps of one `run` after which nobody is believed to get on. @defaultValue 1,000,000 */
  readonly stepsMost?: number;
  /** How often something waits longer than others, 0 to 1. @defaultValue 0.02 */
  readonly stallChance?: number;
  /** And for how many micro-steps at most. @defaultValue 1,000 */
  readonly stallStepsMost?: number;
  /** How often a flush waits for a slow medium, behind what it is to flush. @defaultValue 0 */
  readonly slowFlushChance?: number;
  /** Records every round; costs more than running it. */
  readonly trace?: TraceOptions;
}
