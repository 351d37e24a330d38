// What Clover's operations cost over a real network, told by witnesses that share no code: proxies
// that read the bytes between client and memory node, and between client and metadata server, and
// the client's counters by kind of operation.

import { connect, type Store } from "pdpm";
import { afterEach, expect, test } from "vitest";
import { CountingProxy } from "../support/counting-proxy.ts";
import { startNode, startServer } from "../support/memory-nodes.ts";
import { Scene } from "../support/processes.ts";

const scene = new Scene();
const value = new Uint8Array(1024).fill(7);
const triesMost = 500;
const lanes = 8;
const keys = Array.from({ length: 100 }, (_, i) => `key ${i}`);
const foreground = ["get", "put", "delete"];
/** What a client asks beside its operations: the pulse, and reports of what was replaced. */
const housekeeping = ["table", "acknowledge", "advance"];
const refills = ["lease", "giveBack", "addChunk"];

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

/**
 * The request frames of each of `times` runs of `work`, one by one, in moments when housekeeping was
 * quiet; `prepare` makes ready for a run.
 */
async function framesOfEach(
  times: number,
  work: (i: number) => Promise<unknown>,
  prepare: (i: number) => Promise<unknown> = async () => undefined,
): Promise<number[]> {
  const isBackground = (kind: string): boolean => !foreground.includes(kind);
  const frames: number[] = [];
  for (let i = 0; frames.length < times; i += 1) {
    if (i === triesMost) throw new Error(`housekeeping was never quiet in ${triesMost} tries`);
    await prepare(i);
    while (isUnderWay()) await new Promise((resolve) => setTimeout(resolve, 1));
    const trips = counted("roundTrips", isBackground);
    const before = node.passed;
    await work(i);
    const { requestFrames } = node.passed;
    if (counted("roundTrips", isBackground) === trips) {
      frames.push(requestFrames - before.requestFrames);
    }
  }
  return frames;
}

/** Whether anything that the client has posted was not answered yet. */
function isUnderWay(): boolean {
  const { answered, verbs, rounds } = node.passed;
  return answered < verbs || rounds - roundsBefore < counted("roundTrips");
}

test("warm and alone, a get is one request frame, an update two, an insert at most three, a delete one", async () => {
  await begin();
  for (let i = 0; i < 20; i += 1) await store.put("key", value);
  const ones = new Array<number>(10).fill(1);
  expect(await framesOfEach(10, () => store.get("key"))).toEqual(ones);
  expect(await framesOfEach(10, () => store.put("key", value))).toEqual(ones.map((one) => 2 * one));
  const inserts = await framesOfEach(10, (i) => store.put(`new ${i}`, value));
  console.log(`request frames of 10 inserts on the data path: ${inserts.join(" ")}`);
  for (const frames of inserts) {
    expect(frames).toBeGreaterThanOrEqual(1);
    expect(frames).toBeLessThanOrEqual(3);
  }
  const make = (i: number) => store.put(`old ${i}`, value);
  expect(await framesOfEach(10, (i) => store.delete(`old ${i}`), make)).toEqual(ones);
});

/** Runs `work` for each of `keys`, `turns` times over, some at once. */
async function each(turns: number, work: (key: string) => Promise<unknown>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < turns * keys.length) {
      const key = keys[next % keys.length] as string;
      next += 1;
      await work(key);
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

test("10,000 warm gets and updates make no call to the metadata server but housekeeping's and lease refills", async () => {
  await begin();
  const put = (key: string) => store.put(key, value);
  await each(2, put);
  const before = server.callsSince();
  const calls = (kind: string): number => counted("calls", (one) => one === kind);
  const [ofGets, ofPuts] = [calls("get"), calls("put")];
  await each(50, (key) => store.get(key));
  await each(50, put);
  const during = server.callsSince(before);
  console.log("calls during 5,000 gets and 5,000 updates:", Object.fromEntries(during));
  for (const name of during.keys()) expect([...housekeeping, ...refills]).toContain(name);
  expect([...during.values()].reduce((sum, count) => sum + count)).toBeLessThan(10_000 / 50);
  expect(calls("get") - ofGets).toBe(0);
  // A put that comes before housekeeping has refilled does it itself.
  const leased = refills.reduce((sum, name) => sum + (during.get(name) ?? 0), 0);
  expect(calls("put") - ofPuts).toBeLessThanOrEqual(leased);
  // The client's books are true: what passed is what it counted, but for the calls that made the
  // memory node grow, chunk by chunk.
  await store.close();
  expect(server.passed.calls).toBeLessThanOrEqual(counted("calls"));
  expect(server.passed.calls).toBeGreaterThan(counted("calls") - 10);
  expect(node.passed.rounds - roundsBefore).toBe(counted("roundTrips"));
});
