// A client that maps one memory node and reaches another over ws, and falls silent: it lives for as
// long as it holds its lease file at the node that it maps (H6), whereas a client without a lease
// file is fenced. Evicted, it is dead at every node.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { connect, evict } from "pdpm";
import { expect, test } from "vitest";
import { lookElsewhere } from "../support/elsewhere-proxy.ts";
import { closeNode, startNode, startServer, urlOf } from "../support/memory-nodes.ts";
import { type Child, Scene, within } from "../support/processes.ts";
import { untilStill } from "../support/victim.ts";

const scene = new Scene();
const options = { chunkBytes: 2 ** 22, maxBytes: 2 ** 26, timeoutMs: 20_000 } as const;
const valueBytes = 3000;
const keys = Array.from({ length: 300 }, (_, i) => `key ${i}`);
/** Two rounds of who looks for the dead, the lease time, and a loaded machine. */
const fencedMs = 40_000;

/** Says its client id, and again after every time that it was told to write. */
const writer = `
  const store = await openStore();
  const write = async () => {
    for (let i = 0; i < 50; i += 1) await store.put("mine", new Uint8Array(3000).fill(1 + i));
    say((await store.stats()).clientId);
  };
  heard.on("line", () => void write());
  await write();
`;

/** A store on two memory nodes; at its URL node 0 cannot be mapped. */
async function halfMapped(
  design: "clover" | "direct",
): Promise<{ url: string; directories: [string, string] }> {
  const nodes: { host: string; dir: string }[] = [];
  for (let i = 0; i < 2; i += 1) {
    const dir = await scene.directory("memory");
    nodes.push({ dir, host: (await startNode(scene, dir)).host });
  }
  // Node 0 of a blank cluster is the one of the smallest address.
  nodes.sort((one, other) => (one.host < other.host ? -1 : 1));
  const [first, second] = nodes as [(typeof nodes)[0], (typeof nodes)[0]];
  const directories: [string, string] = [first.dir, second.dir];
  const hosts = [await lookElsewhere(scene, first.host), second.host] as const;
  if (design === "direct") {
    const store = await connect(urlOf(first.host, second.host), options);
    await store.close();
    return { url: urlOf(...hosts), directories };
  }
  const dir = await scene.directory("memory");
  const start = (...at: readonly string[]): ReturnType<typeof startServer> =>
    startServer(scene, {
      dir,
      design,
      memoryNodes: at.map((host) => `ws://${host}`),
      store: { ...options, transport: "ws" },
    });
  await closeNode(await start(first.host, second.host));
  return { url: `pdpm://${(await start(...hosts)).host}`, directories };
}

const isFencedAt = (directory: string, id: number): boolean =>
  readFileSync(join(directory, "fenced"), "utf8").split("\n").includes(String(id));

async function untilFenced(directories: readonly string[], id: number): Promise<void> {
  await within(fencedMs, `the fence of client ${id}`, async () => {
    while (!directories.every((directory) => isFencedAt(directory, id))) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  });
}

async function stop(child: Child): Promise<void> {
  child.signal("SIGSTOP");
  await untilStill(child);
}

test.each(["clover", "direct"] as const)(
  "%s: a silent client that maps node 1 alone keeps what it holds, until it is evicted",
  async (design) => {
    const { url, directories } = await halfMapped(design);
    const start = (transport: "auto" | "ws"): Child =>
      scene.start(writer, { given: { url, options: { timeoutMs: 20_000, transport } } });
    const mixed = start("auto");
    const id = await mixed.line<number>();
    // It maps node 1 alone.
    const leases = directories.map((each) => existsSync(join(each, "leases", String(id))));
    expect(leases).toEqual([false, true]);
    const distant = start("ws");
    const distantId = await distant.line<number>();
    const store = await connect(url, { timeoutMs: 20_000, transport: "ws" });
    scene.after(() => store.close({ timeoutMs: 1000 }));
    await stop(mixed);
    await stop(distant);
    await untilFenced(directories, distantId);
    expect(directories.map((each) => isFencedAt(each, id))).toEqual([false, false]);

    // What the other one held is handed out again; what it holds is not.
    const contentOf = (i: number): Uint8Array => new Uint8Array(valueBytes).fill(100 + (i % 100));
    await Promise.all(keys.map((key, i) => store.put(key, contentOf(i))));
    mixed.signal("SIGCONT");
    mixed.tell("write");
    expect(await mixed.line()).toBe(id);
    for (const [i, key] of keys.entries()) expect(await store.get(key)).toEqual(contentOf(i));
    expect(await store.get("mine")).toEqual(new Uint8Array(valueBytes).fill(50));

    expect(await evict(directories[1], mixed.pid)).toEqual({ clients: 1, reaped: 0 });
    await untilFenced(directories, id);
    expect(await store.get("mine")).toEqual(new Uint8Array(valueBytes).fill(50));
    expect((await store.put("mine", contentOf(0))).version).toBeGreaterThan(0);
  },
  120_000,
);
