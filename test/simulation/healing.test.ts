// Healing: from which step on nothing may fail any more, and by which step all must have ended.

import type { Interleaver } from "@pdpm/simulator";
import { expect, test } from "vitest";
import { FaultCounts } from "./fault-counts.ts";
import { Healing } from "./healing.ts";

function scene() {
  const enlisted: { readonly act: () => void; readonly steps: number }[] = [];
  const run = {
    steps: 0,
    heals: 0,
    heal: () => {
      run.heals += 1;
    },
    enlist: (act: () => void, steps: number) => enlisted.push({ act, steps }),
  };
  const faultCounts = new FaultCounts();
  const healing = new Healing({ interleaver: run as unknown as Interleaver, faultCounts });
  return { run, enlisted, faultCounts, healing };
}

test("a run that never heals excuses what went wrong, however long it takes", () => {
  const { run, enlisted, healing } = scene();
  healing.begin(null);
  expect(enlisted).toEqual([]);
  run.steps = 900_000;
  expect([healing.isHealed, healing.isSound]).toEqual([false, false]);
  healing.ended();
});

test("a run that heals is sound soon after, and then ends", () => {
  const { run, enlisted, faultCounts, healing } = scene();
  healing.begin(70);
  expect(enlisted.map(({ steps }) => steps)).toEqual([70]);
  expect(healing.isHealed).toBe(false);
  run.steps = 1000;
  enlisted[0]?.act();
  expect([healing.isHealed, healing.isSound, run.heals]).toEqual([true, false, 1]);
  expect(faultCounts.of("all heals, and everybody must get on")).toBe(1);
  run.steps += 5000;
  expect(healing.isSound).toBe(false);
  run.steps += 1;
  expect(healing.isSound).toBe(true);
  run.steps = 301_000;
  healing.ended();
  run.steps += 1;
  expect(() => healing.ended()).toThrow(
    "it does not end: it took 300001 micro-steps after all was healed",
  );
});
