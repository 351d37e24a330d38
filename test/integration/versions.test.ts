// Versions under load from four processes on one directory, for every design: each is given out
// once and they only grow, across the lives of a key, too.

import { test } from "vitest";
import { designs } from "../support/increments.ts";
import { Scene } from "../support/processes.ts";
import { expectDistinctVersions, expectGrowingLives, Four } from "../support/versions.ts";

const scene = new Scene();

for (const design of designs) {
  test(`${design}: blind puts to one key get distinct, growing versions, and keys that are made again show no stale value`, async () => {
    const four = await Four.start(scene, design, "mapped");
    await expectDistinctVersions(four, 100);
    await expectGrowingLives(four, 50);
    await four.leave();
  });
}
