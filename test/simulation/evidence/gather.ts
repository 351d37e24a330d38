// Runs seeds of every design, and writes docs/evidence.md of what happened in them. Should a seed
// fail, the page stays as it is.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadWorld } from "../plants/bundle.ts";
import type { Options } from "../plants/options.ts";
import { type Design, designs } from "../plants/plant.ts";
import { runSeeds } from "../plants/run-seeds.ts";
import { readNotes } from "./note.ts";
import { evidencePage } from "./page.ts";
import { type DesignEvidence, Tally } from "./tally.ts";

/** See above. Returns 1 if a seed failed. */
export async function gatherEvidence(top: string, options: Options): Promise<number> {
  const { firstSeed, seeds, from } = options;
  const notes = from === undefined ? [] : readNotes(from);
  const runs: DesignEvidence[] = [];
  for (const design of designs) {
    const run = await runDesign(top, design, firstSeed, seeds);
    if (run === undefined) return 1;
    const rate = Math.round(run.operations / run.seconds);
    console.log(`${design}: ${run.seconds.toFixed(1)} s, ${rate} simulated operations/s`);
    runs.push(run);
  }
  const named = from === undefined ? "" : " --from FILE";
  const command = `npm run simulate -- --evidence --seeds ${seeds} --first-seed ${firstSeed}${named}`;
  const nodeVersion = process.versions.node;
  const page = evidencePage({ command, firstSeed, nodeVersion, runs, notes });
  writeFileSync(join(top, "docs/evidence.md"), page);
  return 0;
}

async function runDesign(
  top: string,
  design: Design,
  firstSeed: number,
  seeds: number,
): Promise<DesignEvidence | undefined> {
  const make = await loadWorld(top, design);
  const tally = new Tally();
  const start = performance.now();
  const { failed } = await runSeeds(make, firstSeed, seeds, (world) => tally.add(world));
  const seconds = (performance.now() - start) / 1000;
  if (failed !== undefined) {
    console.log(`${design}: seed ${failed.seed} failed: ${failed.message}`);
    return undefined;
  }
  const { steps, operations, totals } = tally;
  return { design, seeds: tally.seeds, steps, operations, seconds, totals };
}
