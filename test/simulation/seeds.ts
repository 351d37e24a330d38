// Runs seeds of the simulated Direct store. A failing seed prints itself and its rounds, and
// replays alone: PDPM_SEED=17 npx vitest run --project simulation. PDPM_SEEDS sets how many are
// run.

import { World } from "./direct-world.ts";

/** Seeds that `npm test` runs, over all shares. */
const seedsOfTests = 2000;
/** Rounds of a failing seed that are printed: the last ones. */
const linesShown = 120;

const replayed = process.env["PDPM_SEED"];
const first = Number(replayed ?? 1);
const count = Number(process.env["PDPM_SEEDS"] ?? (replayed === undefined ? seedsOfTests : 1));

/** The seeds of one share of `of`: test files run side by side. */
export function seedsOfShare(share: number, of: number): { first: number; count: number } {
  const size = Math.ceil(count / of);
  const from = Math.min(count, share * size);
  return { first: first + from, count: Math.min(size, count - from) };
}

/** Runs one seed; what it finds wrong is thrown with the seed and its rounds. */
export function runSeed(seed: number): World {
  const world = new World(seed);
  try {
    world.run();
    return world;
  } catch (error) {
    throw new Error(`seed ${seed}: ${String(error)}\n${roundsOf(seed)}\n${replayText(seed)}`, {
      cause: error,
    });
  }
}

function replayText(seed: number): string {
  return `Replay: PDPM_SEED=${seed} npx vitest run --project simulation`;
}

/** The seed's rounds as text, from a second run of it. */
export function roundsOf(seed: number): string {
  const world = new World(seed, true);
  try {
    world.run();
  } catch {
    // It fails as it did before; its rounds are what is wanted.
  }
  const lines = world.interleaver.trace?.lines ?? [];
  const hidden = lines.length - linesShown;
  const shown = replayed === undefined ? lines.slice(-linesShown) : lines;
  return [
    ...(replayed === undefined && hidden > 0 ? [`(${hidden} rounds before)`] : []),
    ...shown,
  ].join("\n");
}
