// A failing seed is made as small as it can be while it fails in the same way; and the command
// line that replays a smaller one is checked.

import { AssertionError } from "@pdpm/base";
import { expect, test } from "vitest";
import { parseOptions, UsageError } from "./options.ts";
import type { MakeWorld, PlannedWorld } from "./planned-world.ts";
import { runSeeds } from "./run-seeds.ts";
import { shrink } from "./shrink.ts";

const plan = {
  people: 4,
  operations: 29,
  keys: ["k0", "k1", "k2"],
  fillers: ["k9"],
  killsMost: 3,
  leaveChance: 0.01,
  powerFailuresMost: 2,
  healsAt: 700,
  durability: "power",
  chunksMost: 12,
  calls: { isEmbedded: true, lossChance: 0.1, delayStepsMost: 1000 },
};

/** A world that fails with `message` of its plan, if there is one. */
function worldThat(messageOf: (one: typeof plan) => string | undefined): MakeWorld {
  return (_seed, _isTraced, changes) => {
    const own = { ...plan, ...changes };
    const world = {
      plan: own,
      interleaver: { steps: 100 },
      run: async () => {
        const message = messageOf(own);
        if (message !== undefined) throw new AssertionError(message);
      },
    };
    return world as unknown as PlannedWorld;
  };
}

test("what the failure does not need is left away, and what it needs stays", async () => {
  const make = worldThat(({ operations, killsMost, people, calls }) => {
    if (operations < 3 || killsMost < 1) return undefined;
    // Another failure, which is none of what is looked for.
    if (people === 1) return "nobody gets on: one waits for another";
    return calls.lossChance > 0
      ? "not linearizable: the key was missing although it was"
      : undefined;
  });
  const { failed } = await runSeeds(make, 7, 1);
  if (failed === undefined) throw new Error("it fails");
  const { changes, runs } = await shrink(make, failed);
  expect({ ...plan, ...changes }).toEqual({
    people: 2,
    operations: 3,
    keys: ["k0"],
    fillers: [],
    killsMost: 1,
    leaveChance: 0,
    powerFailuresMost: 0,
    healsAt: null,
    durability: "power",
    chunksMost: 12,
    calls: { isEmbedded: true, lossChance: 0.1, delayStepsMost: 1000 },
  });
  expect(runs).toBeLessThan(200);
});

test("what cannot be smaller stays as it is", async () => {
  const make = worldThat((own) =>
    JSON.stringify(own) === JSON.stringify(plan) ? "no" : undefined,
  );
  const { failed } = await runSeeds(make, 7, 1);
  if (failed === undefined) throw new Error("it fails");
  expect((await shrink(make, failed)).changes).toEqual({});
});

test("changes of a plan go with one seed, and are an object", () => {
  expect(parseOptions(["--seed", "3", "--plan", '{"people":2}']).changes).toEqual({ people: 2 });
  for (const args of [
    ["--plan", "{}"],
    ["--seeds", "3", "--plan", "{}"],
    ["--seed", "3", "--plan", "[1]"],
    ["--seed", "3", "--plan", "people"],
  ]) {
    expect(() => parseOptions(args)).toThrow(UsageError);
  }
});
