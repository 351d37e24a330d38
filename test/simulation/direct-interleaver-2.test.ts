// pDPM-Direct under seeded interleavings and deaths, second half of the seeds.

import { test } from "vitest";
import { World } from "./direct-world.ts";
import { runShare, seedsOfShare } from "./seeds.ts";

const share = seedsOfShare(1, 2);

test(`${share.count} seeds of direct from ${share.first} on are sound`, async () => {
  await runShare((seed, isTraced) => new World(seed, isTraced), share);
});
