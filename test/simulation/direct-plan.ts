// What one seed of the Direct simulation is about: how many clients, which keys, how large the
// store and the values, and what goes wrong how often. Everything follows from the seed.

import { assert, Prng } from "@pdpm/base";
import type { Key } from "@pdpm/kv";
import type { Mix } from "./caller.ts";
import { type Family, families } from "./direct-keys.ts";
import { drawHealsAt } from "./healing.ts";

/** The choices of one seed. */
export interface Plan {
  readonly seed: number;
  readonly people: number;
  readonly operations: number;
  /** Operations that one client has under way. */
  readonly inFlight: number;
  readonly mix: Mix;
  /** The keys that are worked on. */
  readonly keys: readonly Key[];
  /** Keys that are there from the start and stay as they are, to fill a home bucket. */
  readonly fillers: readonly Key[];
  /** Values have one of these lengths, in bytes. */
  readonly valueSizes: readonly number[];
  readonly chunksMost: number;
  /** Cells have few lives left, so that chunks are spent and cut anew. */
  readonly isOld: boolean;
  /** Clients raise heartbeats and acknowledge changes of the chunk table. */
  readonly keepsHouse: boolean;
  readonly durability: "power" | "process";
  readonly cursorsMost: number;
  readonly stallChance: number;
  readonly stallStepsMost: number;
  /** How often a flush takes long: what it is to make durable is seen by many before. */
  readonly slowFlushChance: number;
  /** The step at which all that goes wrong ends (healing.ts). */
  readonly healsAt: number | null;
  readonly killsMost: number;
  readonly killChance: number;
  /** The dead come back as somebody new within so many micro-steps; 0: they stay dead. */
  readonly rebirthStepsMost: number;
  /** Callers who leave early, per micro-step. */
  readonly leaveChance: number;
  readonly disconnectChance: number;
  /** That somebody who lives is fenced when it is asked about. */
  readonly suspectChance: number;
  /** That a survivor goes and reaps the dead, per micro-step. */
  readonly reapChance: number;
  /** 0: whatever is written is durable at once. */
  readonly powerFailuresMost: number;
  /** That the power fails, per micro-step. */
  readonly powerFailureChance: number;
}

/**
 * Bytes of values: four classes; then such that a chunk of 1 MiB has few cells, and then one or
 * two.
 */
const sizeLists: readonly (readonly number[])[] = [
  [24, 60, 200, 700],
  [24, 24, 60, 1500],
  [1500, 6000, 20_000],
  [30_000, 120_000, 200_000, 400_000],
];

function someKeys(prng: Prng, family: Family): Key[] {
  const other = families[(families.indexOf(family) + 1) % families.length] as Family;
  const twins = family.groups[0] as readonly Key[];
  assert(twins.length >= 2, "some keys of a family share a fingerprint");
  const neighbours = family.groups.slice(-3).map(([key]) => key as Key);
  const strangers = other.groups.slice(-2).map(([key]) => key as Key);
  const lists: readonly (readonly Key[])[] = [
    [twins[0] as Key, twins[1] as Key],
    [twins[0] as Key, twins[1] as Key, neighbours[0] as Key],
    [neighbours[0] as Key, neighbours[1] as Key, neighbours[2] as Key],
    [neighbours[0] as Key, strangers[0] as Key],
    [twins[0] as Key, twins[1] as Key, neighbours[0] as Key, strangers[0] as Key],
  ];
  return [...(lists[prng.below(lists.length)] as readonly Key[])];
}

function pick<T>(prng: Prng, list: readonly T[]): T {
  return list[prng.below(list.length)] as T;
}

/** What `seed` stands for. */
export function planOf(seed: number): Plan {
  const prng = new Prng(`plan ${seed}`);
  const plan = drawn(seed, prng);
  return prng.chance(0.3) ? crashing(prng, plan) : plan;
}

/** A short life of one or two keys, in which somebody dies all the time, and then the power. */
function crashing(prng: Prng, plan: Plan): Plan {
  return {
    ...plan,
    people: 3,
    operations: 16,
    inFlight: 2,
    mix: { get: 0.35, scan: 0, put: 0.55 },
    keys: plan.keys.slice(0, 1 + prng.below(2)),
    fillers: [],
    valueSizes: pick(prng, [[60], [200], [24, 60, 200]]),
    isOld: false,
    chunksMost: 12,
    keepsHouse: false,
    durability: "power",
    cursorsMost: 1000,
    stallChance: 0.1,
    stallStepsMost: pick(prng, [100, 1000, 20_000]),
    slowFlushChance: pick(prng, [0, 0.3, 0.6]),
    killsMost: 6,
    killChance: 1 / 40,
    rebirthStepsMost: pick(prng, [50, 500]),
    leaveChance: 0,
    disconnectChance: 0,
    suspectChance: 0,
    reapChance: 0,
    powerFailuresMost: prng.chance(0.5) ? 3 : 0,
    powerFailureChance: pick(prng, [1 / 300, 1 / 3000]),
  };
}

function drawn(seed: number, prng: Prng): Plan {
  const family = pick(prng, families);
  const keys = someKeys(prng, family);
  const isSmall = prng.chance(0.25);
  const isOverfull = !isSmall && prng.chance(0.25);
  const spare = family.groups.flat().filter((key) => !keys.includes(key));
  const isKilling = prng.chance(0.8);
  const isOld = isSmall ? prng.chance(0.3) : prng.chance(0.08);
  const durability = prng.chance(0.8) ? "power" : "process";
  const isFailing = durability === "power" && !isOld && prng.chance(0.35);
  return {
    seed,
    people: 2 + prng.below(3),
    operations: 6 + prng.below(12),
    inFlight: 1 + prng.below(3),
    mix: { get: 0.32, scan: 0.04, put: 0.36 },
    keys,
    fillers: isOverfull ? spare.slice(0, 26 + prng.below(4)) : [],
    valueSizes: isSmall ? pick(prng, sizeLists.slice(1)) : pick(prng, sizeLists.slice(0, 2)),
    isOld,
    chunksMost: isSmall || isOld ? 3 + prng.below(2) : 12,
    keepsHouse: isSmall || isOld || prng.chance(0.1),
    durability,
    cursorsMost: pick(prng, [0, 1, 1000, 1000]),
    stallChance: pick(prng, [0, 0.02, 0.1]),
    stallStepsMost: pick(prng, [100, 1000, 4000]),
    slowFlushChance: pick(prng, [0, 0, 0.1]),
    healsAt: drawHealsAt(prng),
    killsMost: isKilling ? 1 + prng.below(3) : 0,
    rebirthStepsMost: 0,
    killChance: pick(prng, [1 / 100, 1 / 300, 1 / 1000]),
    leaveChance: pick(prng, [0, 0, 1 / 100, 1 / 400]),
    disconnectChance: prng.chance(0.2) ? 1 / 400 : 0,
    suspectChance: prng.chance(0.15) ? 0.05 : 0,
    reapChance: isSmall || isOld || prng.chance(0.1) ? 1 / 500 : 0,
    powerFailuresMost: isFailing ? 1 + prng.below(3) : 0,
    powerFailureChance: pick(prng, [1 / 100, 1 / 300, 1 / 1000]),
  };
}
