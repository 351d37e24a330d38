// What one seed of the Clover simulation is about: how many clients, which keys, how large the
// store and the values, how the metadata service is reached, and what goes wrong how often.
// Everything follows from the seed.

import { Prng } from "@pdpm/base";
import type { Key } from "@pdpm/kv";
import type { Mix } from "./caller.ts";
import { drawHealsAt } from "./healing.ts";
import type { CallFaults } from "./metadata-calls.ts";
import { cutOffChanceOf, names, pick, sizeLists, wayFaultsOf } from "./plan-parts.ts";

/** The choices of one seed. */
export interface Plan {
  readonly seed: number;
  readonly people: number;
  readonly operations: number;
  /** Operations that one client has under way. */
  readonly inFlight: number;
  readonly mix: Mix;
  readonly keys: readonly Key[];
  /** Values have one of these lengths, in bytes. */
  readonly valueSizes: readonly number[];
  readonly nodeCount: number;
  /** The root chunk included. */
  readonly chunksMost: number;
  /** Space is scarce: chunks are emptied and cut anew, and operations may find none. */
  readonly isSmall: boolean;
  /** Buffers have few lives left, so that chunks are spent and cut anew. */
  readonly isOld: boolean;
  readonly durability: "power" | "process";
  readonly cursorsMost: number;
  readonly calls: CallFaults;
  readonly conflictChance: number;
  readonly callTimeoutMs: number;
  readonly commitRecordsMost: number;
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
  /** That somebody who lives is given up by the others, per micro-step. */
  readonly suspectChance: number;
  readonly reapChance: number;
  /** A client (of Central the coordinator) is cut off from the server, per micro-step. */
  readonly cutOffChance: number;
  /** The metadata server dies, per micro-step. */
  readonly serverDeathChance: number;
  readonly pulseChance: number;
  readonly workChance: number;
  readonly collectChance: number;
  readonly powerFailuresMost: number;
  /** That the power fails, per micro-step. */
  readonly powerFailureChance: number;
  /** Housekeeping that nobody asked for, per micro-step: buffers soon have their next life. */
  readonly eagerChance: number;
}

/** Lives that are short, and long ones with many versions. */
const mixes: readonly Mix[] = [
  { get: 0.3, scan: 0.04, put: 0.38 },
  { get: 0.3, scan: 0.04, put: 0.58 },
  { get: 0.2, scan: 0.02, put: 0.72 },
];

/** One key that everybody reads and writes, so that cursors are stale and shortcuts help. */
const hotMix: Mix = { get: 0.5, scan: 0, put: 0.48 };

/** Where writers die: with hardly another writer, it is a reader who meets what they left. */
const crashingMixes: readonly Mix[] = [
  { get: 0.45, scan: 0, put: 0.5 },
  { get: 0.45, scan: 0, put: 0.35 },
  { get: 0.8, scan: 0, put: 0.18 },
];

/** What `seed` stands for. */
export function planOf(seed: number): Plan {
  const prng = new Prng(`clover plan ${seed}`);
  const plan = drawn(seed, prng);
  return prng.chance(0.3) ? crashing(prng, plan) : plan;
}

/** A short life of one key, in which somebody dies all the time, and then the power. */
function crashing(prng: Prng, plan: Plan): Plan {
  return {
    ...plan,
    people: 3,
    operations: 16,
    inFlight: pick(prng, [2, 5]),
    mix: pick(prng, crashingMixes),
    keys: plan.keys.slice(0, 1),
    valueSizes: [10],
    chunksMost: 40,
    isSmall: false,
    isOld: false,
    durability: "power",
    callTimeoutMs: 10_000,
    stallChance: 0.1,
    stallStepsMost: pick(prng, [100, 1000, 20_000]),
    slowFlushChance: pick(prng, [0.3, 0.9]),
    leaveChance: 0,
    cutOffChance: 0,
    serverDeathChance: 0,
    powerFailuresMost: 6,
    powerFailureChance: pick(prng, [1 / 400, 1 / 4000]),
    calls: { ...plan.calls, lossChance: 0, repeatChance: 0, delayChance: 0 },
    cursorsMost: 1000,
    killsMost: 6,
    killChance: 1 / 60,
    rebirthStepsMost: pick(prng, [50, 500]),
    disconnectChance: 0,
    suspectChance: 0,
    reapChance: 1 / 200,
  };
}

function drawn(seed: number, prng: Prng): Plan {
  const isSmall = prng.chance(0.35);
  const isHot = prng.chance(0.12);
  const isOld = prng.chance(isSmall ? 0.3 : 0.1);
  const isKilling = prng.chance(0.8);
  const calls = { isEmbedded: prng.chance(0.4), ...wayFaultsOf(prng) };
  const durability = prng.chance(0.75) ? "power" : "process";
  const isFailing = durability === "power" && prng.chance(0.4);
  return {
    seed,
    people: 2 + prng.below(3),
    operations: (isHot ? 30 : 8) + prng.below(20),
    inFlight: 1 + prng.below(4),
    mix: isHot ? hotMix : pick(prng, mixes),
    keys: isHot ? names.slice(0, 1) : names.slice(0, 1 + prng.below(isSmall ? 8 : 5)),
    valueSizes: pick(prng, isSmall ? sizeLists.slice(2) : sizeLists.slice(0, 4)),
    nodeCount: 1 + prng.below(2),
    chunksMost: isSmall ? 3 + prng.below(5) : isOld ? 12 : 40,
    isSmall: isSmall || isOld,
    isOld,
    durability,
    cursorsMost: pick(prng, [0, 1, 1000, 1000, 1000]),
    calls,
    conflictChance: pick(prng, [0, 0.05, 0.2]),
    callTimeoutMs: prng.chance(0.2) ? 10 + prng.below(40) : 10_000,
    commitRecordsMost: pick(prng, [1, 4, 512]),
    stallChance: pick(prng, [0, 0.02, 0.1]),
    stallStepsMost: pick(prng, [100, 1000, 4000, 20_000]),
    slowFlushChance: pick(prng, [0, 0, 0.1]),
    healsAt: drawHealsAt(prng),
    killsMost: isKilling ? 1 + prng.below(3) : 0,
    rebirthStepsMost: 0,
    killChance: pick(prng, [1 / 300, 1 / 1000, 1 / 3000]),
    leaveChance: pick(prng, [0, 0, 1 / 100, 1 / 400]),
    disconnectChance: prng.chance(0.25) ? pick(prng, [1 / 40, 1 / 200]) : 0,
    suspectChance: prng.chance(0.15) ? 1 / 1000 : 0,
    reapChance: pick(prng, [1 / 200, 1 / 1000]),
    cutOffChance: calls.isEmbedded ? 0 : cutOffChanceOf(seed),
    serverDeathChance: !calls.isEmbedded && prng.chance(0.3) ? 1 / 500 : 0,
    pulseChance: pick(prng, [1 / 100, 1 / 400]),
    workChance: pick(prng, [1 / 50, 1 / 300, 1 / 2000]),
    collectChance: prng.chance(0.3) ? 1 / 1000 : 0,
    powerFailuresMost: isFailing ? 1 + prng.below(3) : 0,
    powerFailureChance: pick(prng, [1 / 300, 1 / 1000, 1 / 4000]),
    eagerChance: prng.chance(0.25) ? pick(prng, [1 / 20, 1 / 60]) : 0,
  };
}
