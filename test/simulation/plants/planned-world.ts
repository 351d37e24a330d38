// What every simulated world has for those who run seeds of it.

import type { Fault, FaultCounts } from "../fault-counts.ts";
import type { History } from "../history.ts";
import type { SeededWorld } from "../seeds.ts";

/** One seed's store and clients, and what the seed stands for. */
export interface PlannedWorld extends SeededWorld {
  /** What was derived from the seed. */
  readonly plan: object;
  readonly history: History;
  readonly faultCounts: FaultCounts;
}

/** The world of a seed, its plan changed if need be; `isTraced` keeps its rounds. */
export type MakeWorld = (seed: number, isTraced: boolean, changes?: object) => PlannedWorld;

/** How often it happened in a world so far. */
export function countOf({ faultCounts, interleaver }: PlannedWorld, fault: Fault): number {
  if (fault === "flush slow") return interleaver.delays.slowFlushes;
  if (fault === "somebody waits longer than others") return interleaver.delays.stalls;
  return faultCounts.of(fault);
}
