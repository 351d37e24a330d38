// What Clover's operations cost over a real network, told by witnesses that share no code: proxies that
// read the bytes between client and memory node, and between client and metadata server, and the
// client's counters by kind of operation.

import { connect, type Store } from "pdpm";
import { afterEach, expect, test } from "vitest";
import { CountingProxy } from "../support/counting-proxy.ts";
import { startNode, startServer } from "../support/memory-nodes.ts";
import { Scene } from "../support/processes.ts";

const scene = new Scene();
const value = new Uint8Array(1024).fill(7);
const burstMost = 50;
const foreground = ["get", "put", "delete"];
/** What a client does beside its operations; only this may call the metadata server when warm. */
const background = ["retire", "housekeeping", "refill"];

let node: CountingProxy;
let server: CountingProxy;
let store: Store;
/** Rounds of the server, which looked at the node's label before it mapped it. */
let roundsBefore: number;
afterEach(() => store?.close());

/** The server maps the node: what passes the proxies is the client's alone. */
async function begin(): Promise<void> {
  const memoryNode = await startNode(scene, await scene.directory("memory"));
  node = await CountingProxy.start(memoryNode.host);
  scene.after(() => node.close());
  const { host } = await startServer(scene, {
    dir: await scene.directory("memory"),
    design: "clover",
    memoryNodes: [`ws://${node.host}`],
    store: { transport: "mapped", chunkBytes: 2 ** 22 },
  });
  server = await CountingProxy.start(host);
  scene.after(() => server.close());
  roundsBefore = node.passed.rounds;
  store = await connect(`pdpm://${server.host}`, { transport: "ws" });
}

/** What the client counted: of all kinds of operations, or of those that `matches` chooses. */
function counted(
  what: "roundTrips" | "calls",
  matches: (kind: string) => boolean = () => true,
): number {
  return Object.entries(store.counters().operations)
    .filter(([kind]) => matches(kind))
    .reduce((sum, [, counts]) => sum + counts[what], 0);
}

/** The request frames of `times` runs of `work`, in a moment when housekeeping was quiet. */
async function framesOf(times: number, work: (i: number) => Promise<unknown>): Promise<number> {
  const isBackground = (kind: string): boolean => !foreground.includes(kind);
  for (let burst = 0; burst < burstMost; burst += 1) {
    const trips = counted("roundTrips", isBackground);
    const before = node.passed;
    if (before.answered < before.verbs || before.rounds - roundsBefore < counted("roundTrips")) {
      await new Promise((resolve) => setTimeout(resolve, 5)); // Housekeeping is under way.
      continue;
    }
    for (let i = 0; i < times; i += 1) await work(burst * times + i);
    const { requestFrames } = node.passed;
    if (counted("roundTrips", isBackground) === trips) return requestFrames - before.requestFrames;
  }
  throw new Error(`housekeeping was never quiet in ${burstMost} tries`);
}

test("warm and alone, a get is one request frame, an update two, an insert at most three, a delete one", async () => {
  await begin();
  for (let i = 0; i < 20; i += 1) await store.put("key", value);
  expect(await framesOf(10, () => store.get("key"))).toBe(10);
  expect(await framesOf(10, () => store.put("key", value))).toBe(20);
  const inserts = await framesOf(10, (i) => store.put(`new ${i}`, value));
  console.log(`request frames of 10 inserts on the data path: ${inserts}`);
  expect(inserts).toBeLessThanOrEqual(30);
  expect(inserts).toBeGreaterThanOrEqual(10);
  for (let i = 0; i < 10 * burstMost; i += 1) await store.put(`old ${i}`, value);
  expect(await framesOf(10, (i) => store.delete(`old ${i}`))).toBe(10);
});

test("2,000 warm gets and updates make no call to the metadata server but housekeeping's and refills", async () => {
  await begin();
  const keys = Array.from({ length: 100 }, (_, i) => `key ${i}`);
  for (const key of keys) await store.put(key, value);
  for (const key of keys) await store.put(key, value);
  const isForeground = (kind: string): boolean => !background.includes(kind);
  const refills = (): number => store.counters().events["refills"] ?? 0;
  const before = { calls: counted("calls", isForeground), refills: refills() };
  for (let turn = 0; turn < 10; turn += 1) {
    for (const key of keys) await store.get(key);
    for (const key of keys) await store.put(key, value);
  }
  // A put that comes before housekeeping has refilled does it itself: a lease, or a chunk before it.
  const calls = counted("calls", isForeground) - before.calls;
  console.log(`calls beside housekeeping: ${calls}, in ${refills() - before.refills} refills`);
  expect(calls).toBeLessThanOrEqual(4 * (refills() - before.refills));
  expect(calls).toBeLessThan(20);
  expect(counted("calls", (kind) => kind === "get")).toBe(0);
  // The client's books are true: what passed is what it counted, but for the calls that made the
  // memory node grow, chunk by chunk.
  await store.close();
  expect(server.passed.calls).toBeLessThanOrEqual(counted("calls"));
  expect(server.passed.calls).toBeGreaterThan(counted("calls") - 10);
  expect(node.passed.rounds - roundsBefore).toBe(counted("roundTrips"));
  expect(server.passed.calls).toBeGreaterThan(200);
});
