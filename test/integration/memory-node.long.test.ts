// Memory nodes as processes of their own: killed, stopped, restarted and shared, over real sockets.
// The processes run the packages' dist, so build first.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { PdpmError, systemClock } from "@pdpm/base";
import { MappedRegion } from "@pdpm/transport-mapped";
import { WsNode, type WsNodeOptions } from "@pdpm/transport-ws";
import { compareAndSwap, flush, type Post, read, write } from "@pdpm/verbs";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

const top = join(import.meta.dirname, "../..");
const sizeBytes = 256 * 1024;
/** Where the tests' words and bytes are: behind the header. */
const base = 8192;

let dir: string;
const ends: (() => unknown)[] = [];

beforeEach(async () => {
  dir = await mkdtemp("/dev/shm/pdpm-integration-");
  ends.push(() => rm(dir, { recursive: true }));
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** Runs `code` as a module in a process of its own, with `argument` in `process.argv[1]`. */
function run(code: string, argument: object): ChildProcess {
  const child = spawn(
    process.execPath,
    ["--input-type=module", "--eval", code, JSON.stringify(argument)],
    { cwd: top, stdio: ["ignore", "pipe", "pipe"] },
  );
  ends.push(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  });
  return child;
}

/** All that a child prints, once it has ended well. */
async function output(child: ChildProcess): Promise<string> {
  let text = "";
  let errors = "";
  child.stdout?.on("data", (chunk) => {
    text += chunk;
  });
  child.stderr?.on("data", (chunk) => {
    errors += chunk;
  });
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`exit ${code}: ${errors}`);
  return text.trim();
}

const nodeCode = `
  import { MemoryNode } from "@pdpm/memory-node";
  const options = JSON.parse(process.argv[1]);
  try {
    const node = await MemoryNode.start(options);
    // Nothing ends the process but that nothing holds it any more.
    process.on("SIGTERM", () => node.close());
    console.log(node.url);
  } catch (error) {
    console.log(error.message);
    process.exitCode = 3;
  }
`;

interface NodeProcess {
  readonly child: ChildProcess;
  readonly url: string;
  readonly pid: number;
}

async function startNode(options: object = {}): Promise<NodeProcess> {
  const child = run(nodeCode, { dir, initialBytes: sizeBytes, ...options });
  const [line] = await once(child.stdout as NodeJS.ReadableStream, "data");
  return { child, url: String(line).trim(), pid: child.pid as number };
}

async function kill({ child }: NodeProcess, signal: NodeJS.Signals): Promise<number | null> {
  child.kill(signal);
  const [code] = await once(child, "exit");
  return code;
}

async function connect(url: string, options: Partial<WsNodeOptions> = {}): Promise<WsNode> {
  const client = await WsNode.connect({ url, ...options });
  ends.push(() => client.close());
  return client;
}

function at<R>(offset: number, post: Post<R>): Post<R> {
  post.offset = offset;
  return post;
}

function codeOf(reply: unknown): string {
  return reply instanceof PdpmError ? `${reply.code} ${reply.outcome}` : "a value";
}

/** Waits until `check` throws no more: the machine may be busy. */
const soon = <T>(check: () => T | Promise<T>): Promise<T> => vi.waitFor(check, { timeout: 20_000 });
const portOf = (url: string): number => Number(new URL(url).port);
const quick = { backoff: { firstMs: 5, mostMs: 50 } };

test("a node ends by itself after close, and its next start is the same incarnation", async () => {
  const node = await startNode();
  const client = await connect(node.url, quick);
  const id = await client.admit();
  expect(await kill(node, "SIGTERM")).toBe(0);
  await startNode({ port: portOf(node.url) });
  await soon(async () => {
    expect((await client.post([at(base, read(0, 8))])).map(codeOf)).toEqual(["a value"]);
  });
  expect(client.clientId).toBe(id);
  expect(client.hello.incarnation).toBe(1);
});

test("a killed node comes back as a new incarnation that refuses its old clients' ids", async () => {
  const node = await startNode();
  const onFenced = vi.fn();
  const client = await connect(node.url, { ...quick, onFenced });
  const other = await connect(node.url);
  const id = await client.admit();
  await other.admit();
  await other.fence(99);
  await client.post([at(base, write(0, Uint8Array.of(7))), at(base, flush(0, 1))]);
  await kill(node, "SIGKILL");
  await startNode({ port: portOf(node.url) });
  await soon(() => expect(onFenced).toHaveBeenCalledTimes(1));
  expect(client.hello.incarnation).toBe(2);
  expect((await client.post([at(base, read(0, 1))])).map(codeOf)).toEqual([
    "PDPM_FENCED not-applied",
  ]);
  await expect(client.admit(id)).rejects.toMatchObject({ code: "PDPM_FENCED" });
  // Fenced one by one, beyond what the watermark covers.
  await expect(client.admit(99)).rejects.toMatchObject({ code: "PDPM_FENCED" });
  expect(await client.admit()).toBeGreaterThan(id);
  expect(await client.post([at(base, read(0, 1))])).toEqual([Uint8Array.of(7)]);
  expect(onFenced).toHaveBeenCalledTimes(1);
});

test("a second server of a directory, in another process, is refused and told the pid", async () => {
  const node = await startNode();
  const second = await startNode();
  expect(second.url).toMatch(`PDPM_IN_USE: `);
  expect(second.url).toMatch(`pid ${node.pid}`);
  await kill(node, "SIGKILL");
  expect((await startNode()).url).toMatch(/^ws:/);
});

test("a node that dies in the middle of rounds leaves none unanswered, and outcomes tell the truth", async () => {
  for (let trial = 0; trial < 5; trial += 1) {
    const place = join(dir, `trial-${trial}`);
    const node = await startNode({ dir: place });
    const client = await connect(node.url, quick);
    await client.admit();
    let applied = 0;
    let unknown = 0;
    let isDead = false;
    const worker = async (word: number): Promise<void> => {
      for (let expected = 0n; !isDead; ) {
        const [found] = await client.post([
          at(base + word * 8, compareAndSwap(0, expected, expected + 1n)),
        ]);
        if (found instanceof PdpmError) {
          expect(found.code).toBe("PDPM_UNAVAILABLE");
          if (found.outcome === "unknown") unknown += 1;
          return;
        }
        expect(found).toBe(expected);
        applied += 1;
        expected += 1n;
      }
    };
    const workers = Array.from({ length: 32 }, (_, word) => worker(word));
    await soon(() => expect(applied).toBeGreaterThan(1000));
    node.child.kill("SIGKILL");
    await Promise.all(workers);
    isDead = true;
    const region = MappedRegion.open(place, systemClock);
    let stands = 0;
    for (let word = 0; word < 32; word += 1) {
      stands += Number(region.compareAndSwap(base + word * 8, 0n, 0n));
    }
    await region.close();
    expect(stands).toBeGreaterThanOrEqual(applied);
    expect(stands).toBeLessThanOrEqual(applied + unknown);
    expect(unknown).toBeGreaterThan(0);
    await client.close();
  }
});

test("a stopped node holds up nobody: others answer, attempts end, close returns; then it goes on", async () => {
  const stopped = await startNode();
  const other = await startNode({ dir: join(dir, "other") });
  const settings = { ...quick, keepAliveMs: 100, connectTimeoutMs: 200 };
  const client = await connect(stopped.url, settings);
  const leaving = await connect(stopped.url);
  const neighbour = await connect(other.url);
  await Promise.all([client, leaving, neighbour].map((each) => each.admit()));
  stopped.child.kill("SIGSTOP");
  const hanging = client.post([at(base, write(0, Uint8Array.of(1)))]);
  const lost = leaving.post([at(base, read(0, 8))]);
  expect((await neighbour.post([at(base, read(0, 8))])).map(codeOf)).toEqual(["a value"]);

  const before = performance.now();
  await leaving.close();
  expect(performance.now() - before).toBeLessThan(1000);
  expect((await lost).map(codeOf)).toEqual(["PDPM_CLOSED unknown"]);
  const attempt = WsNode.connect({ url: stopped.url, connectTimeoutMs: 200 });
  await expect(attempt).rejects.toMatchObject({ code: "PDPM_UNAVAILABLE" });
  expect(performance.now() - before).toBeLessThan(2000);

  expect((await hanging).map(codeOf)).toEqual(["PDPM_UNAVAILABLE unknown"]);
  stopped.child.kill("SIGCONT");
  await soon(async () =>
    expect((await client.post([at(base, read(0, 8))])).map(codeOf)).toEqual(["a value"]),
  );
});

test("a process whose clients were closed ends, even when the node is stopped", async () => {
  const node = await startNode();
  const code = `
    import { WsNode } from "@pdpm/transport-ws";
    import { read } from "@pdpm/verbs";
    const { url, pid } = JSON.parse(process.argv[1]);
    const client = await WsNode.connect({ url });
    await client.admit();
    const post = read(0, 8);
    post.offset = 8192;
    await client.post([post]);
    process.kill(pid, "SIGSTOP");
    void client.post([post]);
    await client.close();
    console.log("closed");
  `;
  expect(await output(run(code, { url: node.url, pid: node.pid }))).toBe("closed");
  node.child.kill("SIGCONT");
});

/** Increments words by compare-and-swap, as often as told; prints what it posted. */
const incrementCode = `
  import { systemClock } from "@pdpm/base";
  import { MappedFabric, MappedRegion } from "@pdpm/transport-mapped";
  import { WsNode } from "@pdpm/transport-ws";
  import { compareAndSwap } from "@pdpm/verbs";
  const { url, dir, base, words, count } = JSON.parse(process.argv[1]);
  const fabric = url
    ? await WsNode.connect({ url })
    : new MappedFabric(MappedRegion.open(dir, systemClock));
  await fabric.admit?.();
  let lost = 0;
  async function worker(word) {
    for (let done = 0, expected = 0n; done < count; ) {
      const post = compareAndSwap(0, expected, expected + 1n);
      post.offset = base + word * 8;
      const [found] = await fabric.post([post]);
      if (typeof found !== "bigint") throw found;
      if (found === expected) done += 1;
      else lost += 1;
      expected = found === expected ? expected + 1n : found;
    }
  }
  await Promise.all(Array.from({ length: words }, (_, word) => worker(word)));
  console.log(JSON.stringify({ lost, posted: fabric.counters?.posted.swaps ?? 0 }));
  await fabric.close();
`;

test("mapped and ws clients in four processes increment the same words, and no increment is lost", async () => {
  const node = await startNode();
  const words = 4;
  const count = 3000;
  const share = { base, words, count };
  const results = await Promise.all(
    [{ dir }, { url: node.url }, { dir }, { url: node.url }].map(async (place) =>
      JSON.parse(await output(run(incrementCode, { ...place, ...share }))),
    ),
  );
  const client = await connect(node.url);
  await client.admit();
  const [bytes] = await client.post([at(base, read(0, words * 8))]);
  const found = new DataView((bytes as Uint8Array).buffer, (bytes as Uint8Array).byteOffset);
  for (let word = 0; word < words; word += 1) {
    expect(found.getBigUint64(word * 8, true)).toBe(BigInt(4 * count));
  }
  // They did meet.
  expect(results.reduce((sum, { lost }) => sum + lost, 0)).toBeGreaterThan(0);
  const { applied } = await client.stats();
  expect(applied.swaps).toBe(results.reduce((sum, { posted }) => sum + posted, 0));
});

test("what a ws client writes a mapped process sees at once, and the other way round", async () => {
  const node = await startNode();
  const client = await connect(node.url);
  await client.admit();
  const { path, device, inode } = client.hello.region;
  const region = MappedRegion.open(dir, systemClock);
  ends.push(() => region.close());
  expect(region.file).toEqual({ path, device, inode });
  await client.post([at(base, write(0, Uint8Array.of(1, 2, 3)))]);
  const seen = new Uint8Array(3);
  region.read(base, seen);
  expect(seen).toEqual(Uint8Array.of(1, 2, 3));
  region.write(base + 1, Uint8Array.of(9));
  expect(await client.post([at(base, read(0, 3))])).toEqual([Uint8Array.of(1, 9, 3)]);
  await region.extend(2 * sizeBytes);
  expect(await client.post([at(2 * sizeBytes - 1, read(0, 1))])).toEqual([new Uint8Array(1)]);
});

test("the node maps its file shared and writable; a client over ws does not map it", async () => {
  const node = await startNode();
  const client = await connect(node.url);
  await client.admit();
  const mapsOf = (pid: number): string[] =>
    readFileSync(`/proc/${pid}/maps`, "utf8")
      .split("\n")
      .filter((line) => line.endsWith(join(dir, "region.pm")));
  const lines = mapsOf(node.pid);
  expect(lines.length).toBeGreaterThan(0);
  for (const line of lines) expect(line).toMatch(/ rw-s /);
  expect(mapsOf(process.pid)).toEqual([]);
});
