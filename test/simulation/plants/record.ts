// Finds for each plant, in each of its designs, the first seed from 1 on that catches it, and notes
// it in caught.json. A seed that fails without the plant as well catches nothing.

import { plants } from "./all-plants.ts";
import { loadWorld } from "./bundle.ts";
import { type Catch, readCaught, writeCaught } from "./caught.ts";
import type { Options } from "./options.ts";
import type { MakeWorld } from "./planned-world.ts";
import type { Design, Plant } from "./plant.ts";
import { runSeed, runSeeds } from "./run-seeds.ts";

/** Returns 1 if one escaped. */
export async function recordPlants(top: string, options: Options): Promise<number> {
  let escaped = 0;
  const sound = new Map<Design, MakeWorld>();
  for (const plant of options.plant === undefined ? plants : [options.plant]) {
    for (const design of plant.designs.filter((one) => options.designs.includes(one))) {
      const without = sound.get(design) ?? (await loadWorld(top, design));
      sound.set(design, without);
      const found = await firstCatch(top, plant, design, without, options);
      if (found === undefined) escaped += 1;
      const seeds = found === undefined ? "ESCAPED" : `seed ${found.seed}`;
      console.log(`${plant.name} ${design}: ${seeds} ${found?.invariant ?? ""}`);
      // Read again: several of these may run side by side.
      const { [plant.name]: own = {}, ...others } = readCaught(top);
      const { [design]: _, ...rest } = own;
      const now = found === undefined ? rest : { ...rest, [design]: found };
      const names = plants.map(({ name }) => name);
      writeCaught(top, { ...others, [plant.name]: now }, names);
    }
  }
  return escaped > 0 ? 1 : 0;
}

async function firstCatch(
  top: string,
  plant: Plant,
  design: Design,
  without: MakeWorld,
  { firstSeed, seeds }: Options,
): Promise<Catch | undefined> {
  const make = await loadWorld(top, design, plant);
  const end = firstSeed + seeds;
  for (let first = firstSeed; first < end; ) {
    const { failed } = await runSeeds(make, first, end - first);
    if (failed === undefined) return undefined;
    const { seed, invariant, isCatch, message } = failed;
    const isSound = (await runSeed(without, seed, false)).verdict === undefined;
    if (isCatch && isSound) return { seed, invariant };
    console.log(`  seed ${seed}: ${isSound ? "" : "fails anyway: "}${invariant}: ${message}`);
    first = seed + 1;
  }
  return undefined;
}
