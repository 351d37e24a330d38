// What happened in all seeds of a design together.

import { type Fault, faults } from "../fault-counts.ts";
import { countOf, type PlannedWorld } from "../plants/planned-world.ts";
import type { Design } from "../plants/plant.ts";

/** How often something happened, and in how many seeds at least once. */
export interface Total {
  seeds: number;
  times: number;
}

/** What a number of seeds did. */
export interface DesignEvidence {
  readonly design: Design;
  readonly seeds: number;
  /** Micro-steps. */
  readonly steps: number;
  /** Operations in the histories that were checked. */
  readonly operations: number;
  readonly seconds: number;
  readonly totals: Readonly<Record<Fault, Total>>;
}

/** Adds seeds up. */
export class Tally {
  seeds = 0;
  steps = 0;
  operations = 0;
  readonly totals: Readonly<Record<Fault, Total>> = noTotals();

  /** A seed has passed. */
  add(world: PlannedWorld): void {
    this.seeds += 1;
    this.steps += world.interleaver.steps;
    this.operations += world.history.entries.length;
    for (const fault of Object.keys(faults) as Fault[]) {
      const count = countOf(world, fault);
      const total = this.totals[fault];
      total.times += count;
      if (count > 0) total.seeds += 1;
    }
  }
}

/** Of everything none. */
export function noTotals(): Record<Fault, Total> {
  const none = Object.keys(faults).map((fault) => [fault, { seeds: 0, times: 0 }]);
  return Object.fromEntries(none) as Record<Fault, Total>;
}
