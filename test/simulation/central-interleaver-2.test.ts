// Central under seeded interleavings, deaths and power failures, second half of the seeds.

import { test } from "vitest";
import { World } from "./central-world.ts";
import { runShare, seedsOfShare } from "./seeds.ts";

const share = seedsOfShare(1, 2);

test(`${share.count} seeds of central from ${share.first} on are sound`, async () => {
  await runShare((seed, isTraced) => new World(seed, isTraced), share);
});
