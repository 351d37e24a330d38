// What every simulated world has for those who run seeds of it.

import type { SeededWorld } from "../seeds.ts";

/** One seed's store and clients, and what the seed stands for. */
export interface PlannedWorld extends SeededWorld {
  /** What was derived from the seed. */
  readonly plan: object;
}

/** The world of a seed; `isTraced` keeps its rounds. */
export type MakeWorld = (seed: number, isTraced: boolean) => PlannedWorld;
