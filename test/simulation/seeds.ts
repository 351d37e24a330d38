// Runs seeds of a simulated store. A failing seed prints itself and its rounds, and replays alone:
// PDPM_SEED=17 npx vitest run --project simulation FILE. PDPM_SEEDS sets how many are run.

import { hold } from "@pdpm/base";
import { type SeedRun, seedsSayTheSame } from "@pdpm/checker";
import type { Interleaver } from "@pdpm/simulator";
import { expect } from "vitest";

/** Seeds that `npm test` runs of a design, over all shares. */
const seedsOfTests = 2000;
/** Rounds of a failing seed that are printed: the last ones. */
const linesShown = 120;

const replayed = process.env["PDPM_SEED"];
const first = Number(replayed ?? 1);
const count = Number(process.env["PDPM_SEEDS"] ?? (replayed === undefined ? seedsOfTests : 1));

/** One seed's store and clients. */
export interface SeededWorld {
  readonly interleaver: Interleaver;
  readonly prng: { u32(): number };
  /** Runs the seed to its end. @throws what is wrong. */
  run(): void | Promise<void>;
}

/** The world of a seed; `isTraced` keeps its rounds. */
export type MakeWorld<W extends SeededWorld = SeededWorld> = (seed: number, isTraced: boolean) => W;

/** The seeds of one share of `of`: test files run side by side. */
export function seedsOfShare(share: number, of: number): { first: number; count: number } {
  const size = Math.ceil(count / of);
  const from = Math.min(count, share * size);
  return { first: first + from, count: Math.min(size, count - from) };
}

/** Runs one share of a design's seeds. @throws of the first one that is not sound */
export async function runShare(
  make: MakeWorld,
  share: { first: number; count: number },
): Promise<void> {
  let steps = 0;
  for (let i = 0; i < share.count; i += 1) {
    steps += (await runSeed(make, share.first + i)).interleaver.steps;
  }
  expect(steps, "something happens in every seed").toBeGreaterThanOrEqual(share.count * 10);
}

/** Runs one seed; what it finds wrong is thrown with the seed and its rounds. */
export async function runSeed<W extends SeededWorld>(make: MakeWorld<W>, seed: number): Promise<W> {
  const world = make(seed, false);
  try {
    await world.run();
    return world;
  } catch (error) {
    const rounds = await roundsOf(make, seed);
    throw new Error(`seed ${seed}: ${String(error)}\n${rounds}\n${replayText(seed)}`, {
      cause: error,
    });
  }
}

/** Runs a seed twice, and compares everything that can be compared. */
export async function expectSameTwice(make: MakeWorld, seed: number): Promise<void> {
  const [one, two] = [make(seed, true), make(seed, true)];
  await one.run();
  await two.run();
  expect(one.interleaver.trace?.lines.length).toBeGreaterThan(0);
  hold(seedsSayTheSame(runOf(one), runOf(two)));
}

function runOf({ interleaver, prng }: SeededWorld): SeedRun {
  const { trace, steps } = interleaver;
  return { trace: trace?.lines ?? [], steps, nextRandom: prng.u32() };
}

function replayText(seed: number): string {
  const file = expect.getState().testPath?.replace(/^.*\/test\//, "test/") ?? "";
  return `Replay: PDPM_SEED=${seed} npx vitest run --project simulation ${file}`;
}

/** The seed's rounds as text, from a second run of it. */
async function roundsOf(make: MakeWorld, seed: number): Promise<string> {
  const world = make(seed, true);
  try {
    await world.run();
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
