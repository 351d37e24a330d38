// Four processes that increment the same keys: the sums must be exact, and they must have met.

import { expect } from "vitest";
import type { Child, Scene } from "./processes.ts";

const keyCount = 100;

/** In flight at once per process: enough that processes meet, and that one holds several locks. */
const inFlight = 16;

const script = `
  const store = await openStore({ timeoutMs: 60_000 });
  say("ready");
  heard.once("line", async () => {
    let next = 0;
    const lane = async () => {
      while (next < given.times) {
        next += 1;
        // The same order everywhere: whoever runs beside another meets it.
        await store.increment("counter " + (next % ${keyCount}));
      }
    };
    await Promise.all(Array.from({ length: ${inFlight} }, lane));
    await store.close();
    say({ ...store.counters().events });
    process.exit(0);
  });
`;

/** How one process reaches the store. */
export type Reach = Readonly<Record<string, unknown>>;

/**
 * Starts a process per element of `reaches`, which make `times` increments together, and checks the
 * sums as the first of them sees the store. Returns how often they met, all together: the count of
 * `meeting`, an event of their design.
 */
export async function expectExactSums(
  scene: Scene,
  reaches: readonly Reach[],
  times: number,
  timeoutMs: number,
  meeting = "lockWaits",
): Promise<number> {
  expect(times % (keyCount * reaches.length)).toBe(0);
  const own = times / reaches.length;
  const start = (given: Reach): Child => scene.start(script, { given: { ...given, times: own } });
  const children = reaches.map(start);
  for (const child of children) expect(await child.line()).toBe("ready");
  for (const child of children) child.tell("go");
  let meetings = 0;
  for (const child of children) {
    meetings += (await child.line<Record<string, number>>(timeoutMs))[meeting] ?? 0;
    expect(await child.end()).toEqual({ code: 0, signal: null });
  }
  const reader = scene.start(
    `
    const store = await openStore();
    const keys = Array.from({ length: ${keyCount} }, (_, i) => "counter " + i);
    say((await store.getMany(keys)).map((value) => Number(new TextDecoder().decode(value))));
    await store.close();
    process.exit(0);
    `,
    { given: reaches[0] as Reach },
  );
  const sums = await reader.line<number[]>();
  expect(sums.length).toBe(keyCount);
  expect(sums.filter((sum) => sum !== times / keyCount)).toEqual([]);
  return meetings;
}
