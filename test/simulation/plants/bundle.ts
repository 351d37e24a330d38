// A design's simulated world as one file of JavaScript, from the sources as they stand, with a
// planted bug if one is named. Run at full speed, by whatever Node there is, without any build.

import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Plugin, rolldown } from "rolldown";
import type { MakeWorld, PlannedWorld } from "./planned-world.ts";
import { changed, changesOf, type Design, type Plant } from "./plant.ts";

/** Builds the world of `design`, and loads it. `top` is the top folder. */
export async function loadWorld(top: string, design: Design, plant?: Plant): Promise<MakeWorld> {
  const entry = join(top, `test/simulation/${design}-world.ts`);
  const name = `${design}-${plant?.name ?? "sound"}`;
  const file = await bundle(top, entry, name, plant);
  type Made = new (seed: number, isTraced: boolean, changes?: object) => PlannedWorld;
  const { World } = (await import(/* @vite-ignore */ pathToFileURL(file).href)) as {
    readonly World: Made;
  };
  return (seed, isTraced, changes) => new World(seed, isTraced, changes);
}

async function bundle(top: string, entry: string, name: string, plant?: Plant): Promise<string> {
  const made = new Set<string>();
  const build = await rolldown({
    input: entry,
    platform: "node",
    // Between packages the sources are taken; libraries and Node's own modules stay outside.
    resolve: { conditionNames: ["@pdpm/source", "node", "import"] },
    external: (id) => !/^(\.|\/|@pdpm\/)/.test(id),
    plugins: plant === undefined ? [] : [planting(top, plant, made)],
    logLevel: "silent",
  });
  const { output } = await build.generate({ format: "esm", codeSplitting: false });
  await build.close();
  for (const { file } of plant === undefined ? [] : changesOf(plant)) {
    if (!made.has(file)) throw new Error(`${name} does not load ${file}`);
  }
  // In node_modules, so that libraries are found from there. In one step: others may read it.
  const file = join(top, `node_modules/.cache/pdpm/simulation/${name}.mjs`);
  const draft = `${file}.${process.pid}`;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(draft, output[0].code);
  renameSync(draft, file);
  return file;
}

/** Makes the plant's changes while sources are loaded, and notes in which files. */
function planting(top: string, plant: Plant, made: Set<string>): Plugin {
  return {
    name: "plant",
    transform(code, id) {
      let text = code;
      for (const change of changesOf(plant)) {
        if (id !== join(top, change.file)) continue;
        text = changed(text, change);
        made.add(change.file);
      }
      return text === code ? null : { code: text };
    },
  };
}
