// What one seed of the Central simulation is about: how many clients, which keys, how large the
// store and the values, how coordinator and metadata service are reached, and what goes wrong how
// often. Everything follows from the seed.

import { Prng } from "@pdpm/base";
import type { Key } from "@pdpm/kv";
import type { Mix } from "./caller.ts";
import type { WayFaults } from "./faulty-way.ts";
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
  /** Cells have few lives left, so that chunks are spent and cut anew. */
  readonly isOld: boolean;
  readonly durability: "power" | "process";
  /** Entries of the mapping in the coordinator's memory. */
  readonly mappingMost: number;
  /** Between the coordinator and the metadata service. */
  readonly calls: CallFaults;
  /** Between a client and the coordinator. */
  readonly requests: WayFaults;
  /** What an operation's caller allows it, in milliseconds; undefined: any time. */
  readonly timeoutsMs: readonly (number | undefined)[];
  readonly conflictChance: number;
  readonly callTimeoutMs: number;
  readonly commitRecordsMost: number;
  readonly stallChance: number;
  readonly stallStepsMost: number;
  /** How often a flush takes long: what it is to make durable is seen by many before. */
  readonly slowFlushChance: number;
  /** The step at which all that goes wrong ends (healing.ts). */
  readonly healsAt: number | null;
  /** Coordinators that are killed, at most. */
  readonly killsMost: number;
  readonly killChance: number;
  /** Coordinators that are given up although they live, at most. */
  readonly suspectsMost: number;
  readonly suspectChance: number;
  /** That somebody takes over from nobody, per micro-step. */
  readonly takeOverChance: number;
  /** Those who want the office while somebody is in it, at most. */
  readonly rivalsMost: number;
  readonly rivalChance: number;
  /** Connections of a coordinator to a memory node that break, at most. */
  readonly disconnectsMost: number;
  readonly disconnectChance: number;
  readonly clientKillsMost: number;
  /** Callers who leave early, per micro-step. */
  readonly leaveChance: number;
  /** A client (of Central the coordinator) is cut off from the server, per micro-step. */
  readonly cutOffChance: number;
  /** The metadata server dies, per micro-step. */
  readonly serverDeathChance: number;
  readonly workChance: number;
  readonly measureChance: number;
  readonly powerFailuresMost: number;
  /** That the power fails, per micro-step. */
  readonly powerFailureChance: number;
}

/** Lives that are short, and long ones with many versions. */
const mixes: readonly Mix[] = [
  { get: 0.3, scan: 0.04, put: 0.38 },
  { get: 0.35, scan: 0.04, put: 0.53 },
  { get: 0.2, scan: 0.02, put: 0.72 },
];

/** One key that everybody reads and writes. */
const hotMix: Mix = { get: 0.45, scan: 0.02, put: 0.43 };

const noFaults: WayFaults = { lossChance: 0, repeatChance: 0, delayChance: 0, delayStepsMost: 1 };

/** What `seed` stands for. */
export function planOf(seed: number): Plan {
  const prng = new Prng(`central plan ${seed}`);
  const plan = drawn(seed, prng);
  return prng.chance(0.3) ? crashing(prng, plan) : plan;
}

/** A short life of one key, in which somebody dies all the time, and then the power. */
function crashing(prng: Prng, plan: Plan): Plan {
  return {
    ...plan,
    people: 3,
    operations: 10,
    inFlight: 2,
    mix: { get: 0.45, scan: 0, put: prng.chance(0.5) ? 0.5 : 0.35 },
    keys: plan.keys.slice(0, 1),
    valueSizes: [10],
    chunksMost: 40,
    isSmall: false,
    isOld: false,
    durability: "power",
    callTimeoutMs: 10_000,
    stallChance: 0.1,
    stallStepsMost: pick(prng, [100, 1000, 20_000]),
    slowFlushChance: pick(prng, [0, 0.3, 0.6]),
    leaveChance: 0,
    cutOffChance: 0,
    serverDeathChance: 0,
    powerFailuresMost: 5,
    powerFailureChance: pick(prng, [1 / 400, 1 / 4000]),
    calls: { ...plan.calls, lossChance: 0, repeatChance: 0, delayChance: 0 },
    requests: noFaults,
    timeoutsMs: [undefined],
    killsMost: 6,
    killChance: 1 / 100,
    suspectsMost: 0,
    rivalsMost: 0,
    disconnectsMost: 0,
    clientKillsMost: 0,
    takeOverChance: 1 / 20,
    workChance: 1 / 50,
  };
}

function drawn(seed: number, prng: Prng): Plan {
  const isSmall = prng.chance(0.35);
  const isHot = prng.chance(0.15);
  const isOld = prng.chance(isSmall ? 0.3 : 0.1);
  const calls = { isEmbedded: prng.chance(0.5), ...wayFaultsOf(prng) };
  const durability = prng.chance(0.75) ? "power" : "process";
  const isFailing = durability === "power" && prng.chance(0.4);
  return {
    seed,
    people: 2 + prng.below(3),
    operations: (isHot ? 25 : 10) + prng.below(20),
    inFlight: 1 + prng.below(4),
    mix: isHot ? hotMix : pick(prng, mixes),
    keys: isHot ? names.slice(0, 1) : names.slice(0, 1 + prng.below(isSmall ? 8 : 5)),
    valueSizes: pick(prng, isSmall ? sizeLists.slice(2) : sizeLists.slice(0, 4)),
    nodeCount: 1 + prng.below(2),
    chunksMost: isSmall ? 3 + prng.below(5) : isOld ? 12 : 40,
    isSmall: isSmall || isOld,
    isOld,
    durability,
    mappingMost: pick(prng, [1, 2, 1000, 1000]),
    calls,
    requests: prng.chance(0.5) ? wayFaultsOf(prng) : noFaults,
    timeoutsMs: prng.chance(0.25) ? [undefined, 2 + prng.below(30)] : [undefined],
    conflictChance: pick(prng, [0, 0.05, 0.2]),
    callTimeoutMs: prng.chance(0.2) ? 10 + prng.below(40) : 10_000,
    commitRecordsMost: pick(prng, [1, 4, 512]),
    stallChance: pick(prng, [0, 0.02, 0.1]),
    stallStepsMost: pick(prng, [100, 1000, 4000, 20_000]),
    slowFlushChance: pick(prng, [0, 0, 0.1]),
    healsAt: drawHealsAt(prng),
    killsMost: prng.chance(0.75) ? 1 + prng.below(4) : 0,
    killChance: pick(prng, [1 / 300, 1 / 1000, 1 / 3000]),
    suspectsMost: prng.chance(0.4) ? 1 + prng.below(2) : 0,
    suspectChance: pick(prng, [1 / 500, 1 / 2000]),
    takeOverChance: pick(prng, [1 / 20, 1 / 200]),
    rivalsMost: prng.chance(0.3) ? 1 + prng.below(3) : 0,
    rivalChance: 1 / 2000,
    disconnectsMost: prng.chance(0.25) ? 1 + prng.below(30) : 0,
    disconnectChance: pick(prng, [1 / 40, 1 / 200]),
    clientKillsMost: prng.chance(0.3) ? 1 : 0,
    leaveChance: pick(prng, [0, 0, 1 / 100, 1 / 400]),
    cutOffChance: calls.isEmbedded ? 0 : cutOffChanceOf(seed),
    serverDeathChance: !calls.isEmbedded && prng.chance(0.3) ? 1 / 500 : 0,
    workChance: pick(prng, [1 / 50, 1 / 300, 1 / 2000]),
    measureChance: prng.chance(0.3) ? 1 / 1000 : 0,
    powerFailuresMost: isFailing ? 1 + prng.below(3) : 0,
    powerFailureChance: pick(prng, [1 / 300, 1 / 1000, 1 / 4000]),
  };
}
