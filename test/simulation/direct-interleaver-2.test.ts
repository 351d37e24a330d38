// pDPM-Direct under seeded interleavings and deaths, second half of the seeds.

import { expect, test } from "vitest";
import { runSeed, seedsOfShare } from "./seeds.ts";

const share = seedsOfShare(1, 2);

test(`${share.count} seeds of direct from ${share.first} on are sound`, () => {
  let steps = 0;
  for (let i = 0; i < share.count; i += 1) steps += runSeed(share.first + i).interleaver.steps;
  expect(steps, "something happened in every seed").toBeGreaterThanOrEqual(share.count * 10);
});
