// Notes for each plant, in each of its designs, a seed that catches it (caught.json). A note that
// still holds stays; otherwise the seeds are run from 1 on until one does. A seed that fails
// without the plant as well catches nothing.

import { plants } from "./all-plants.ts";
import { loadWorld } from "./bundle.ts";
import { readCaught, writeCaught } from "./caught.ts";
import { firstCatch } from "./first-catch.ts";
import type { Options } from "./options.ts";
import type { MakeWorld } from "./planned-world.ts";
import type { Design } from "./plant.ts";

/** Returns 1 if one escaped. */
export async function recordPlants(top: string, options: Options): Promise<number> {
  let escaped = 0;
  const sound = new Map<Design, MakeWorld>();
  for (const plant of options.plant === undefined ? plants : [options.plant]) {
    for (const design of plant.designs.filter((one) => options.designs.includes(one))) {
      const without = sound.get(design) ?? (await loadWorld(top, design));
      sound.set(design, without);
      const make = await loadWorld(top, design, plant);
      const { firstSeed, seeds: count } = options;
      const noted = readCaught(top)[plant.name]?.[design]?.seed ?? 0;
      const found =
        (noted > 0 ? await firstCatch(make, without, noted, 1) : undefined) ??
        (await firstCatch(make, without, firstSeed, count, console.log));
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
