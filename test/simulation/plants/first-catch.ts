// The first seed that fails with a plant and passes without.

import type { Catch } from "./caught.ts";
import type { MakeWorld } from "./planned-world.ts";
import { runSeed, runSeeds } from "./run-seeds.ts";

/** See above; undefined if none of `count` seeds from `firstSeed` on does. */
export async function firstCatch(
  make: MakeWorld,
  without: MakeWorld,
  firstSeed: number,
  count: number,
  note: (text: string) => void = () => {},
): Promise<Catch | undefined> {
  const end = firstSeed + count;
  for (let first = firstSeed; first < end; ) {
    const { failed } = await runSeeds(make, first, end - first);
    if (failed === undefined) return undefined;
    const { seed, invariant, isCatch, message } = failed;
    const isSound = (await runSeed(without, seed, false)).verdict === undefined;
    if (isCatch && isSound) return { seed, invariant };
    note(`seed ${seed}: ${isSound ? "" : "fails anyway: "}${invariant}: ${message}`);
    first = seed + 1;
  }
  return undefined;
}
