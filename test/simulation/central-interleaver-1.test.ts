// Central under seeded interleavings, deaths and power failures, first half of the seeds: per-key
// linearizability, values, versions and exact space are checked at the end of each
// (central-world.ts).

import { test } from "vitest";
import { World } from "./central-world.ts";
import { expectSameTwice, type MakeWorld, runShare, seedsOfShare } from "./seeds.ts";

const make: MakeWorld = (seed, isTraced) => new World(seed, isTraced);
const share = seedsOfShare(0, 2);

test(`seeds ${share.first} to ${share.first + share.count - 1} of central are sound`, async () => {
  await runShare(make, share);
});

test("a seed of central runs the same every time", async () => {
  for (const seed of [share.first, share.first + 1]) await expectSameTwice(make, seed);
});
