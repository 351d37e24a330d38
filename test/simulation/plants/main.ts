// The command `npm run simulate`. Exit codes: 0 all seeds passed, 1 one failed, 2 usage. With a
// plant 1 is what must be: it was caught.

import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gatherEvidence } from "../evidence/gather.ts";
import { plants } from "./all-plants.ts";
import { loadWorld } from "./bundle.ts";
import { type Options, parseOptions, UsageError, usage } from "./options.ts";
import type { MakeWorld } from "./planned-world.ts";
import type { Design } from "./plant.ts";
import { recordPlants } from "./record.ts";
import { type DesignRun, runJson, runText } from "./report.ts";
import { runSeed, runSeeds } from "./run-seeds.ts";
import { writeTable } from "./table.ts";

/** Rounds of a failing seed that are shown when many seeds are run: the last ones. */
const linesShown = 60;

/** Runs the command. Returns its exit code. `top` is the top folder. */
export async function main(top: string, args: readonly string[]): Promise<number> {
  // This program was built for this run alone.
  rmSync(fileURLToPath(import.meta.url), { force: true });
  if (args.includes("--help") || args.includes("-h")) {
    console.log(usage);
    return 0;
  }
  let options: Options;
  try {
    options = parseOptions(args);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`${error.message}\n\n${usage}`);
    return 2;
  }
  // Errors are made by the thousand, and their stacks never looked at.
  Error.stackTraceLimit = options.isOne ? 20 : 0;
  switch (options.task) {
    case "list":
      listPlants(options.isJson);
      return 0;
    case "record":
      return await recordPlants(top, options);
    case "evidence":
      return await gatherEvidence(top, options);
    case "table":
      writeTable(top);
      return 0;
    default:
      return await runDesigns(top, options);
  }
}

function listPlants(isJson: boolean): void {
  for (const { name, hazard, designs, file, why } of plants) {
    if (isJson) console.log(JSON.stringify({ name, hazard, designs, file, why }));
    else
      console.log(`${name.padEnd(36)} ${hazard.padEnd(4)} ${designs.join(", ").padEnd(24)} ${why}`);
  }
}

async function runDesigns(top: string, options: Options): Promise<number> {
  let hasFailed = false;
  for (const design of options.designs) {
    const run = await runDesign(top, design, options);
    if (run.failed !== undefined) hasFailed = true;
    console.log(options.isJson ? runJson(run) : runText(run));
  }
  return hasFailed ? 1 : 0;
}

async function runDesign(top: string, design: Design, options: Options): Promise<DesignRun> {
  const { plant, firstSeed, seeds, isOne } = options;
  const make = await loadWorld(top, design, plant);
  const start = performance.now();
  const run = await runSeeds(make, firstSeed, seeds);
  const ms = performance.now() - start;
  const failedSeed = run.failed?.seed;
  let withoutPlant: DesignRun["withoutPlant"];
  if (failedSeed !== undefined && plant !== undefined) {
    const { verdict } = await runSeed(await loadWorld(top, design), failedSeed, false);
    withoutPlant = verdict === undefined ? "passes" : "fails";
  }
  const traced = isOne ? firstSeed : failedSeed;
  const lines = traced === undefined ? [] : await roundsOf(make, traced);
  const hidden = isOne ? 0 : Math.max(0, lines.length - linesShown);
  const rounds = hidden > 0 ? [`(${hidden} rounds before)`, ...lines.slice(hidden)] : lines;
  return { design, firstSeed, plant, ms, withoutPlant, rounds, ...run };
}

/** The seed's rounds as text, from another run of it. */
async function roundsOf(make: MakeWorld, seed: number): Promise<readonly string[]> {
  const { world } = await runSeed(make, seed, true);
  return world.interleaver.trace?.lines ?? [];
}
