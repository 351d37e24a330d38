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
import { shrink } from "./shrink.ts";
import { writeTable } from "./table.ts";

/** Rounds of a failing seed that are shown when many seeds are run: the last ones. */
const linesShown = 60;
/** Seeds of a design before it is the next one's turn, when there is a time for all. */
const seedsInTurn = 100;

/** Runs the command. Returns its exit code. `top` is the top folder. */
export async function main(top: string, args: readonly string[]): Promise<number> {
  // This program was built for this run alone.
  rmSync(fileURLToPath(import.meta.url), { force: true });
  if (args.includes("--help") || args.includes("-h")) {
    console.log(usage);
    return 0;
  }
  try {
    return await perform(top, parseOptions(args));
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`${error.message}\n\n${usage}`);
    return 2;
  }
}

async function perform(top: string, options: Options): Promise<number> {
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
      if (options.minutes !== undefined) return await runFor(top, options, options.minutes);
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

/** Runs seeds of the designs in turn until the time is up, or one fails. */
async function runFor(top: string, options: Options, minutes: number): Promise<number> {
  const end = performance.now() + minutes * 60_000;
  const totals = new Map<Design, DesignRun>();
  let hasFailed = false;
  for (let { firstSeed } = options; !hasFailed; firstSeed += seedsInTurn) {
    for (const design of options.designs) {
      const run = await runDesign(top, design, { ...options, firstSeed, seeds: seedsInTurn });
      const before = totals.get(design) ?? { ...run, seeds: 0, steps: 0, ms: 0 };
      const [seeds, steps] = [before.seeds + run.seeds, before.steps + run.steps];
      const ms = before.ms + run.ms;
      totals.set(design, { ...run, firstSeed: options.firstSeed, seeds, steps, ms });
      hasFailed ||= run.failed !== undefined;
    }
    if (performance.now() >= end) break;
  }
  for (const run of totals.values()) console.log(options.isJson ? runJson(run) : runText(run));
  return hasFailed ? 1 : 0;
}

async function runDesign(top: string, design: Design, options: Options): Promise<DesignRun> {
  const { plant, firstSeed, seeds, isOne, changes } = options;
  const loaded = await loadWorld(top, design, plant);
  const make: MakeWorld = (seed, isTraced, more) => loaded(seed, isTraced, { ...changes, ...more });
  if (isOne) refuseUnknown(changes, loaded(firstSeed, false).plan);
  const start = performance.now();
  const run = await runSeeds(make, firstSeed, seeds);
  const ms = performance.now() - start;
  const { failed } = run;
  let withoutPlant: DesignRun["withoutPlant"];
  if (failed !== undefined && plant !== undefined) {
    const { verdict } = await runSeed(await loadWorld(top, design), failed.seed, false);
    withoutPlant = verdict === undefined ? "passes" : "fails";
  }
  // One that was asked for is shown as it is.
  const shrunk = failed === undefined || isOne ? undefined : await shrink(make, failed);
  const traced = isOne ? firstSeed : failed?.seed;
  const lines = traced === undefined ? [] : await roundsOf(make, traced, shrunk?.changes);
  const hidden = isOne ? 0 : Math.max(0, lines.length - linesShown);
  const rounds = hidden > 0 ? [`(${hidden} rounds before)`, ...lines.slice(hidden)] : lines;
  return { design, firstSeed, plant, changes, ms, withoutPlant, shrunk, rounds, ...run };
}

/** @throws UsageError naming the fields that plans have. */
function refuseUnknown(changes: object, plan: object): void {
  const fields = Object.keys(plan);
  const unknown = Object.keys(changes).find((name) => !fields.includes(name));
  if (unknown === undefined) return;
  throw new UsageError(`--plan: no plan has "${unknown}"; it has ${fields.join(", ")}`);
}

/** The seed's rounds as text, from another run of it. */
async function roundsOf(
  make: MakeWorld,
  seed: number,
  changes: object | undefined,
): Promise<readonly string[]> {
  const { world } = await runSeed(make, seed, true, changes);
  return world.interleaver.trace?.lines ?? [];
}
