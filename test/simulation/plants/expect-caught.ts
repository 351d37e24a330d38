// The test of one design's plants: each at the seed that is noted for it, with the plant and
// without. A change of the sources or of a plan gives seeds another meaning: then the plant is
// looked for in the first seeds, before it counts as escaped.

import { expect, test } from "vitest";
import { top } from "../../tidy/files.ts";
import { plants } from "./all-plants.ts";
import { loadWorld } from "./bundle.ts";
import { readCaught } from "./caught.ts";
import { firstCatch } from "./first-catch.ts";
import type { MakeWorld } from "./planned-world.ts";
import type { Design } from "./plant.ts";
import { runSeed } from "./run-seeds.ts";

/** Seeds that are looked through for a plant that its own seed does not catch any more. */
const seedsMost = 100;

/** Tests every plant of `design`. */
export function expectCaught(design: Design): void {
  const caught = readCaught(top);
  let sound: Promise<MakeWorld> | undefined;
  const own = plants.filter(({ designs }) => designs.includes(design));
  test.each(own)(
    `$hazard of ${design}: $name is caught, and only with the plant`,
    async (plant) => {
      const make = await loadWorld(top, design, plant);
      sound ??= loadWorld(top, design);
      const without = await sound;
      const seed = caught[plant.name]?.[design]?.seed ?? 1;
      const isSound = (await runSeed(without, seed, false)).verdict === undefined;
      if (isSound && (await runSeed(make, seed, false)).verdict?.isCatch) return;
      const found = await firstCatch(make, without, 1, seedsMost);
      expect(found, `${plant.name} escapes: npm run simulate -- --record-plants`).toBeDefined();
    },
  );
}
