// Runs seeds one after the other until one fails.

import type { MakeWorld, PlannedWorld } from "./planned-world.ts";
import { type Verdict, verdictOf } from "./verdict.ts";

/** A seed that failed. */
export interface FailedSeed extends Verdict {
  readonly seed: number;
  /** What was derived from the seed. */
  readonly plan: object;
}

/** What became of a number of seeds. */
export interface SeedsRun {
  /** Seeds that were run, the failed one included. */
  readonly seeds: number;
  /** Micro-steps of all of them. */
  readonly steps: number;
  readonly failed: FailedSeed | undefined;
}

/** A seed in which next to nothing happens proves nothing. */
const stepsLeast = 10;

/** Runs `count` seeds from `first` on, or until one fails. `each` sees those that passed. */
export async function runSeeds(
  make: MakeWorld,
  first: number,
  count: number,
  each: (world: PlannedWorld) => void = () => {},
): Promise<SeedsRun> {
  let steps = 0;
  for (let seeds = 1; seeds <= count; seeds += 1) {
    const seed = first + seeds - 1;
    const { world, verdict } = await runSeed(make, seed, false);
    steps += world.interleaver.steps;
    if (verdict !== undefined) {
      return { seeds, steps, failed: { ...verdict, seed, plan: world.plan } };
    }
    each(world);
  }
  return { seeds: count, steps, failed: undefined };
}

/** Runs one seed. */
export async function runSeed(
  make: MakeWorld,
  seed: number,
  isTraced: boolean,
  changes: object = {},
): Promise<{ readonly world: PlannedWorld; readonly verdict: Verdict | undefined }> {
  const world = make(seed, isTraced, changes);
  try {
    await world.run();
  } catch (error) {
    return { world, verdict: verdictOf(error) };
  }
  if (world.interleaver.steps >= stepsLeast) return { world, verdict: undefined };
  const message = `a seed has ${world.interleaver.steps} micro-steps`;
  return { world, verdict: { invariant: "a seed runs", isCatch: false, message } };
}
