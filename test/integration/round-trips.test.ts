// What operations cost over a real network, told by three witnesses that share no code: a proxy
// that reads the bytes between client and memory node, the client's counters, and the node's own
// count.

import { connect, type Store } from "pdpm";
import { afterEach, expect, test } from "vitest";
import { CountingProxy, type Passed } from "../support/counting-proxy.ts";
import { nodeStats, startNode, urlOf } from "../support/memory-nodes.ts";
import { Scene } from "../support/processes.ts";

const scene = new Scene();
const key = "a key of just 24 bytes..";
const value = new Uint8Array(1024).fill(7);
const burstMost = 50;

let proxy: CountingProxy;
let store: Store;
let nodeHost: string;
afterEach(() => store?.close());

async function begin(): Promise<void> {
  const node = await startNode(scene, await scene.directory("memory"));
  nodeHost = node.host;
  proxy = await CountingProxy.start(nodeHost);
  scene.after(() => proxy.close());
  store = await connect(urlOf(proxy.host), { transport: "ws", chunkBytes: 2 ** 22 });
}

/** Round trips that the client counted: of all operations, or of housekeeping alone. */
function tripsOf(which: "all" | "background"): number {
  return Object.entries(store.counters().operations)
    .filter(([kind]) => which === "all" || (kind !== "get" && kind !== "put"))
    .reduce((sum, [, { roundTrips }]) => sum + roundTrips, 0);
}

/** What `times` runs of `work` let pass, in a moment when housekeeping was quiet. */
async function passedBy(times: number, work: () => Promise<unknown>): Promise<Passed> {
  for (let burst = 0; burst < burstMost; burst += 1) {
    const trips = tripsOf("background");
    const before = proxy.passed;
    if (before.answered < before.verbs || before.rounds < tripsOf("all")) {
      await new Promise((resolve) => setTimeout(resolve, 5)); // Housekeeping is under way.
      continue;
    }
    for (let i = 0; i < times; i += 1) await work();
    const after = proxy.passed;
    if (tripsOf("background") !== trips) continue;
    const names = Object.keys(before) as (keyof Passed)[];
    const difference = names.map((name) => [name, after[name] - before[name]]);
    return Object.fromEntries(difference) as unknown as Passed;
  }
  throw new Error(`housekeeping was never quiet in ${burstMost} tries`);
}

test("warm and alone, a get is one request frame, an update four", async () => {
  await begin();
  expect(key.length).toBe(24);
  await store.put(key, value);
  await store.put(key, value);
  const gets = await passedBy(20, () => store.get(key));
  expect(gets).toMatchObject({
    requestFrames: 20,
    rounds: 20,
    verbs: 20,
    replyFrames: 20,
    answered: 20,
  });
  const updates = await passedBy(20, () => store.put(key, value));
  expect(updates).toMatchObject({ requestFrames: 80, rounds: 80, replyFrames: 80 });
});

test("a get of 1 KiB moves at most 160 bytes more than the value, both ways together", async () => {
  await begin();
  await store.put(key, value);
  await store.get(key);
  const { payloadBytes } = await passedBy(20, () => store.get(key));
  console.log(`ws payload of a 1 KiB get: ${payloadBytes / 20} bytes`);
  expect(payloadBytes / 20).toBeLessThanOrEqual(1024 + 160);
  expect(payloadBytes / 20).toBeGreaterThan(1024 + key.length);
});

test("client, proxy and node count the same verbs, housekeeping included", async () => {
  await begin();
  const keys = Array.from({ length: 200 }, (_, i) => `key ${i}`);
  await store.putMany(keys.map((each, i) => [each, value.subarray(0, i * 5)]));
  await Promise.all(keys.map((each) => store.put(each, value)));
  await store.getMany(keys);
  await store.deleteMany(keys.slice(0, 50));
  await Promise.all(keys.slice(50, 60).map((each) => store.increment(`${each} n`)));
  for await (const each of store.keys()) expect(typeof each).toBe("string");
  await store.stats();
  await new Promise((resolve) => setTimeout(resolve, 1200)); // Two turns of housekeeping.
  await store.close();
  const { passed } = proxy;
  const counters = Object.values(store.counters().operations);
  const sum = (name: "reads" | "writes" | "swaps" | "flushes" | "roundTrips"): number =>
    counters.reduce((total, counts) => total + counts[name], 0);
  const posted = {
    reads: sum("reads"),
    writes: sum("writes"),
    swaps: sum("swaps"),
    flushes: sum("flushes"),
  };
  const { applied } = await nodeStats(nodeHost);
  expect(applied).toMatchObject(posted);
  expect(passed.verbs).toBe(posted.reads + posted.writes + posted.swaps + posted.flushes);
  expect(passed.answered).toBe(passed.verbs);
  expect(passed.rounds).toBe(sum("roundTrips"));
});
