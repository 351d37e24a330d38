// What Central's operations cost over a real network, told by the memory nodes' own count of what
// they applied, and by a proxy between client and coordinator.

import { connect, type Store } from "pdpm";
import { expect, test } from "vitest";
import { CountingProxy } from "../support/counting-proxy.ts";
import { nodeStats, startNode, startServer } from "../support/memory-nodes.ts";
import { Scene } from "../support/processes.ts";

const scene = new Scene();
const value = new Uint8Array(1024).fill(7);

/** Two memory nodes, a coordinator that reaches them over ws, and a client behind a proxy. */
async function begin() {
  const hosts: string[] = [];
  for (let i = 0; i < 2; i += 1) {
    hosts.push((await startNode(scene, await scene.directory("memory"))).host);
  }
  const { host } = await startServer(scene, {
    dir: await scene.directory("memory"),
    design: "central",
    memoryNodes: hosts.map((node) => `ws://${node}`),
    store: { transport: "ws", chunkBytes: 2 ** 22 },
  });
  const proxy = await CountingProxy.start(host);
  scene.after(() => proxy.close());
  const store: Store = await connect(`pdpm://${proxy.host}`);
  scene.after(() => store.close());
  /** What all memory nodes have applied. */
  const applied = async () => {
    const all = await Promise.all(hosts.map((node) => nodeStats(node)));
    const sum = (verb: "reads" | "writes") =>
      all.reduce((total, node) => total + node.applied[verb], 0);
    return { reads: sum("reads"), writes: sum("writes") };
  };
  return { proxy, store, applied };
}

test("the memory nodes' count of reads rises by exactly one per get, and each is one call", async () => {
  const { proxy, store, applied } = await begin();
  const keys = Array.from({ length: 50 }, (_, i) => `key ${i}`);
  for (const key of keys) await store.put(key, value);
  // Until what the puts left to housekeeping is done, and nothing reads any more.
  for (let last = await applied(); ; ) {
    await new Promise((resolve) => setTimeout(resolve, 600));
    const now = await applied();
    if (now.reads === last.reads && now.writes === last.writes) break;
    last = now;
  }
  const before = await applied();
  const calls = proxy.callsSince();
  for (let turn = 0; turn < 10; turn += 1) {
    for (const key of keys) expect((await store.get(key))?.length).toBe(value.length);
  }
  const after = await applied();
  expect(after.reads - before.reads).toBe(500);
  expect(after.writes - before.writes).toBe(0);
  expect(Object.fromEntries(proxy.callsSince(calls))).toEqual({ get: 500 });
});
