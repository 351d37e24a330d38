// Makes a failing seed smaller: fewer operations, clients and keys, and one kind of fault after the
// other left away, as long as the seed still breaks the same invariant. A plan is data, and a
// changed plan is another run of the same seed, so every change is tried by running it.

import type { MakeWorld } from "./planned-world.ts";
import { type FailedSeed, runSeed } from "./run-seeds.ts";

/** Runs that are tried at most. */
const runsMost = 400;
/** Of what there must be one at least. */
const atLeastOne: ReadonlySet<string> = new Set(["people", "operations", "inFlight"]);
/** Faults that a plan counts. */
const counted: ReadonlySet<string> = new Set([
  "killsMost",
  "clientKillsMost",
  "suspectsMost",
  "rivalsMost",
  "disconnectsMost",
  "powerFailuresMost",
]);
const lists: readonly string[] = ["keys", "fillers", "valueSizes"];

type Plan = Readonly<Record<string, unknown>>;

/** What a smaller seed is. */
export interface Shrunk {
  /** To be made to the seed's plan; nothing if it could not be made smaller. */
  readonly changes: Plan;
  readonly runs: number;
}

/** Makes `failed`, a seed of `make`, smaller. */
export async function shrink(make: MakeWorld, failed: FailedSeed): Promise<Shrunk> {
  let changes: Plan = {};
  let runs = 0;
  for (let isSmaller = true; isSmaller && runs < runsMost; ) {
    isSmaller = false;
    const plan = { ...failed.plan, ...changes } as Plan;
    for (const smaller of smallerPlans(plan)) {
      if (runs >= runsMost) break;
      runs += 1;
      const tried = { ...changes, ...smaller };
      const { verdict } = await runSeed(make, failed.seed, false, tried);
      if (verdict?.invariant !== failed.invariant) continue;
      changes = tried;
      isSmaller = true;
      break;
    }
  }
  return { changes, runs };
}

/** Changes of one field each, the largest steps first. */
export function* smallerPlans(plan: Plan): Iterable<Plan> {
  for (const [name, value] of Object.entries(plan)) {
    for (const smaller of smallerValues(name, value)) yield { [name]: smaller };
  }
}

function* smallerValues(name: string, value: unknown): Iterable<unknown> {
  if (Array.isArray(value)) {
    const least = name === "fillers" ? 0 : 1;
    if (!lists.includes(name) || value.length <= least) return;
    yield value.slice(0, least);
    const half = value.length >> 1;
    if (half > least) yield value.slice(0, half);
    return;
  }
  if (name === "healsAt") {
    if (value !== null) yield null;
    return;
  }
  if (typeof value === "number") {
    const least = atLeastOne.has(name) ? 1 : 0;
    const isShrunk = least === 1 || name.endsWith("Chance") || counted.has(name);
    if (!isShrunk || value <= least) return;
    yield least;
    if (name.endsWith("Chance")) return;
    if (value >> 1 > least) yield value >> 1;
    if (value - 1 > value >> 1) yield value - 1;
    return;
  }
  // The way of calls: a plan in the plan.
  if (name === "calls" || name === "requests") {
    for (const smaller of smallerPlans(value as Plan)) yield { ...(value as Plan), ...smaller };
  }
}
