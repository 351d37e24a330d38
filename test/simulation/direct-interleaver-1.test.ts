// pDPM-Direct under seeded interleavings and deaths, first half of the seeds: per-key
// linearizability, values, and exact space are checked at the end of each (direct-world.ts).

import { expect, test } from "vitest";
import { World } from "./direct-world.ts";
import { runSeed, seedsOfShare } from "./seeds.ts";

const share = seedsOfShare(0, 2);

test(`seeds ${share.first} to ${share.first + share.count - 1} of direct are sound`, () => {
  let steps = 0;
  for (let i = 0; i < share.count; i += 1) steps += runSeed(share.first + i).interleaver.steps;
  expect(steps, "something happened in every seed").toBeGreaterThan(share.count * 10);
});

test("a seed runs the same every time", () => {
  for (const seed of [share.first, share.first + 1]) {
    const [one, two] = [new World(seed, true), new World(seed, true)];
    one.run();
    two.run();
    expect(one.interleaver.trace?.lines.length).toBeGreaterThan(0);
    expect(two.interleaver.trace?.lines).toEqual(one.interleaver.trace?.lines);
    expect(two.interleaver.steps).toBe(one.interleaver.steps);
    expect(two.prng.u32()).toBe(one.prng.u32());
  }
});
