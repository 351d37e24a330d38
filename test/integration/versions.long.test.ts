// Versions under load from four processes, for every design, mapped, over ws and two of each: each
// is given out once and they only grow, across the lives of a key, too.

import { test } from "vitest";
import { designs, transports } from "../support/increments.ts";
import { Scene } from "../support/processes.ts";
import { expectDistinctVersions, expectGrowingLives, Four } from "../support/versions.ts";

const scene = new Scene();
const limits = { timeout: 280_000 };
const puts = Number(process.env["PDPM_PUTS"] ?? 400);

for (const design of designs) {
  for (const transport of transports) {
    const what = `${design}, ${transport}`;
    test(
      `${what}: ${puts} blind puts to one key get distinct versions, and lives of three keys show no stale value`,
      limits,
      async () => {
        const four = await Four.start(scene, design, transport);
        await expectDistinctVersions(four, puts / 4);
        await expectGrowingLives(four, puts / 8);
        await four.leave();
      },
    );
  }
}
