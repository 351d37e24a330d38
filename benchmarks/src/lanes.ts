// The same requests, so many in flight at once, on whichever store.

import { systemClock } from "@pdpm/base";

/**
 * Runs `ask` for every one of `asked`, `inFlight` at a time.
 * @returns operations per second
 */
export async function ratePerSecond(
  asked: readonly string[],
  inFlight: number,
  ask: (key: string) => unknown,
): Promise<number> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < asked.length) {
      const key = asked[next] as string;
      next += 1;
      await ask(key);
    }
  };
  const startMs = systemClock.now();
  await Promise.all(Array.from({ length: inFlight }, lane));
  return (asked.length * 1000) / (systemClock.now() - startMs);
}

/** Both in turn, `runs` times, after one of each that does not count: [ours, theirs] per run. */
export async function alternate(
  runs: number,
  ours: () => Promise<number>,
  theirs: () => Promise<number>,
): Promise<readonly (readonly [number, number])[]> {
  await ours();
  await theirs();
  const rates: [number, number][] = [];
  for (let run = 0; run < runs; run += 1) rates.push([await ours(), await theirs()]);
  return rates;
}
