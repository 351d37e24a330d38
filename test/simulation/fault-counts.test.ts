// What goes wrong in a seed is counted, and nothing that its plan excludes.

import { expect, test } from "vitest";
import { planOf as centralPlan } from "./central-plan.ts";
import { World as CentralWorld } from "./central-world.ts";
import { planOf as cloverPlan } from "./clover-plan.ts";
import { World as CloverWorld } from "./clover-world.ts";
import { planOf as directPlan } from "./direct-plan.ts";
import { World as DirectWorld } from "./direct-world.ts";
import { type Fault, faults } from "./fault-counts.ts";
import { countOf, type PlannedWorld } from "./plants/planned-world.ts";

const seeds = 60;
/** So few seeds may be without it. */
const rare: Fault = "operation finds no space";

/** A fault, and the seeds whose plan excludes it. */
type Excluded = readonly [Fault, (seed: number) => boolean];

const direct: readonly Excluded[] = [
  ["client killed", (seed) => directPlan(seed).killsMost === 0],
  ["power fails under way", (seed) => directPlan(seed).powerFailuresMost === 0],
  ["power fails at the end", (seed) => directPlan(seed).powerFailuresMost === 0],
  ["flush slow", (seed) => directPlan(seed).slowFlushChance === 0],
  ["connection breaks", (seed) => directPlan(seed).disconnectChance === 0],
  ["caller leaves early", (seed) => directPlan(seed).leaveChance === 0],
  ["given up alive", (seed) => directPlan(seed).suspectChance === 0],
  ["somebody waits longer than others", (seed) => directPlan(seed).stallChance === 0],
];

const central: readonly Excluded[] = [
  ["client killed", (seed) => centralPlan(seed).clientKillsMost === 0],
  ["coordinator killed", (seed) => centralPlan(seed).killsMost === 0],
  ["power fails under way", (seed) => centralPlan(seed).powerFailuresMost === 0],
  ["power fails at the end", (seed) => centralPlan(seed).durability === "process"],
  ["flush slow", (seed) => centralPlan(seed).slowFlushChance === 0],
  ["connection breaks", (seed) => centralPlan(seed).disconnectsMost === 0],
  ["caller leaves early", (seed) => centralPlan(seed).leaveChance === 0],
  ["client cut off from the metadata server", (seed) => centralPlan(seed).cutOffChance === 0],
  ["metadata server dies", (seed) => centralPlan(seed).serverDeathChance === 0],
  ["embedded metadata service dies", (seed) => !centralPlan(seed).calls.isEmbedded],
  ["given up alive", (seed) => centralPlan(seed).suspectsMost === 0],
  ["somebody waits longer than others", (seed) => centralPlan(seed).stallChance === 0],
];

const hasNoLoss = (seed: number): boolean => {
  const { calls } = cloverPlan(seed);
  return calls.isEmbedded || calls.lossChance === 0;
};

const clover: readonly Excluded[] = [
  ["client killed", (seed) => cloverPlan(seed).killsMost === 0],
  ["power fails under way", (seed) => cloverPlan(seed).powerFailuresMost === 0],
  ["power fails at the end", (seed) => cloverPlan(seed).durability === "process"],
  ["flush slow", (seed) => cloverPlan(seed).slowFlushChance === 0],
  ["call or answer lost", hasNoLoss],
  ["call delivered twice", (seed) => cloverPlan(seed).calls.isEmbedded],
  ["call or answer late", (seed) => cloverPlan(seed).calls.isEmbedded],
  ["connection breaks", (seed) => cloverPlan(seed).disconnectChance === 0],
  ["caller leaves early", (seed) => cloverPlan(seed).leaveChance === 0],
  ["client cut off from the metadata server", (seed) => cloverPlan(seed).cutOffChance === 0],
  ["metadata server dies", (seed) => cloverPlan(seed).serverDeathChance === 0],
  ["embedded metadata service dies", (seed) => !cloverPlan(seed).calls.isEmbedded],
  ["given up alive", (seed) => cloverPlan(seed).suspectChance === 0],
  ["somebody waits longer than others", (seed) => cloverPlan(seed).stallChance === 0],
];

test.each([
  ["direct", (seed: number) => new DirectWorld(seed), direct],
  ["central", (seed: number) => new CentralWorld(seed), central],
  ["clover", (seed: number) => new CloverWorld(seed), clover],
] as const)(
  "%s: faults are counted where they happen, and nowhere else",
  async (design, make, excluded) => {
    const worlds: PlannedWorld[] = [];
    for (let seed = 1; seed <= seeds; seed += 1) {
      const world = make(seed);
      await world.run();
      worlds.push(world);
    }
    for (const [fault, isExcluded] of excluded) {
      const without = worlds.filter((_, i) => isExcluded(i + 1));
      expect(without.length, `seeds without: ${fault}`).toBeGreaterThan(0);
      for (const world of without) expect(countOf(world, fault), fault).toBe(0);
    }
    for (const fault of Object.keys(faults) as Fault[]) {
      const total = worlds.reduce((sum, world) => sum + countOf(world, fault), 0);
      const designs: readonly string[] = faults[fault].designs;
      if (!designs.includes(design)) expect(total, fault).toBe(0);
      else if (fault !== rare) expect(total, fault).toBeGreaterThan(0);
    }
  },
);
