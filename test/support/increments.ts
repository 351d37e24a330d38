// Four processes that increment the same keys: the sums must be exact, and they must have met.

import { expect } from "vitest";
import { startStore } from "./memory-nodes.ts";
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
    // Whoever leaves first may be the one that hosts Central's coordinator: the others go on.
    await store.close();
    const { events, operations } = store.counters();
    say({ ...events, lostPuts: operations.put.operations - given.times });
    process.exit(0);
  });
`;

/** How one process reaches the store. */
export type Reach = Readonly<Record<string, unknown>>;

/** All designs. */
export const designs = ["direct", "central", "clover"] as const;
/** "mixed": two map the memory nodes' files, two do not. */
export const transports = ["mapped", "ws", "mixed"] as const;

export type Design = (typeof designs)[number];
export type Transport = (typeof transports)[number];

/**
 * How four processes reach a new store of `design`. "mapped" is an embedded store. Central's clients
 * touch no memory: of them the coordinator is the one that maps, when it is mixed, or does not.
 */
export async function reachesOf(
  scene: Scene,
  design: Design,
  transport: Transport,
): Promise<readonly Reach[]> {
  if (transport === "mapped") {
    const reach = { directory: await scene.directory("memory"), options: { design } };
    return [reach, reach, reach, reach];
  }
  const isMixed = transport === "mixed";
  const url = await startStore(scene, design, 2, { transport: isMixed ? "mapped" : "ws" });
  const each = isMixed ? (["ws", "mapped", "ws", "mapped"] as const) : transportsOfWs;
  return each.map((one) => ({ url, options: { transport: one } }));
}

const transportsOfWs = ["ws", "ws", "ws", "ws"] as const;

/** What shows that processes of a design met on a key. */
const meetings = { direct: "lockWaits", central: "lostPuts", clover: "casLosses" } as const;

/**
 * Has four processes make `times` increments together, and checks the sums as the first of them sees
 * the store. Returns how often they met, all together.
 */
export async function expectExactSums(
  scene: Scene,
  design: Design,
  transport: Transport,
  times: number,
  timeoutMs: number,
): Promise<number> {
  const reaches = await reachesOf(scene, design, transport);
  expect(times % (keyCount * reaches.length)).toBe(0);
  const own = times / reaches.length;
  const start = (given: Reach): Child => scene.start(script, { given: { ...given, times: own } });
  const children = reaches.map(start);
  for (const child of children) expect(await child.line()).toBe("ready");
  for (const child of children) child.tell("go");
  let met = 0;
  for (const child of children) {
    met += (await child.line<Record<string, number>>(timeoutMs))[meetings[design]] ?? 0;
    expect(await child.end()).toEqual({ code: 0, signal: null });
  }
  const reader = scene.start(readerScript, { given: reaches[0] as Reach });
  const sums = await reader.line<number[]>();
  expect(sums.length).toBe(keyCount);
  expect(sums.filter((sum) => sum !== times / keyCount)).toEqual([]);
  return met;
}

const readerScript = `
  const store = await openStore();
  const keys = Array.from({ length: ${keyCount} }, (_, i) => "counter " + i);
  say((await store.getMany(keys)).map((value) => Number(new TextDecoder().decode(value))));
  await store.close();
  process.exit(0);
`;
