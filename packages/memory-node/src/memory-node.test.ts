// A memory node in this process: how it starts, whom it admits, what it refuses, what it leaves.

import { appendFileSync, existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { PdpmError, Prng, systemClock } from "@pdpm/base";
import { checksum64 } from "@pdpm/layout/checksum";
import { headerWordOffset, labelPartOffset, regionHeaderBytes } from "@pdpm/layout/region-header";
import { createRegionFile, LeaseFiles, MappedRegion } from "@pdpm/transport-mapped";
import { WsNode, type WsNodeOptions } from "@pdpm/transport-ws";
import { compareAndSwap, flush, type Post, read, write } from "@pdpm/verbs";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { MemoryNode, type MemoryNodeOptions } from "./memory-node.ts";

const sizeBytes = 64 * 1024;
let dir: string;
const ends: (() => unknown)[] = [];

beforeEach(async () => {
  dir = await mkdtemp("/dev/shm/pdpm-node-");
  ends.push(() => rm(dir, { recursive: true }));
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function start(options: Partial<MemoryNodeOptions> = {}): Promise<MemoryNode> {
  const node = await MemoryNode.start({ dir, initialBytes: sizeBytes, ...options });
  ends.push(() => node.close().catch(() => undefined));
  return node;
}

async function connect(node: MemoryNode, options: Partial<WsNodeOptions> = {}): Promise<WsNode> {
  const client = await WsNode.connect({ url: node.url, ...options });
  ends.push(() => client.close());
  return client;
}

async function client(node: MemoryNode, id?: number): Promise<WsNode> {
  const connected = await connect(node);
  await connected.admit(id);
  return connected;
}

function at<R>(offset: number, post: Post<R>): Post<R> {
  post.offset = offset;
  return post;
}

function codeOf(reply: unknown): string {
  return reply instanceof PdpmError ? `${reply.code} ${reply.outcome}` : "a value";
}

/** Runs `use` on the region as a mapped process would, while no node has it. */
async function withRegion(use: (region: MappedRegion) => void | Promise<void>): Promise<void> {
  const region = MappedRegion.open(dir, systemClock);
  try {
    await use(region);
  } finally {
    await region.close();
  }
}

test("a node makes its directory and region, and says in its hello where they are", async () => {
  const node = await start({ dir: join(dir, "new") });
  const { hello } = await connect(node);
  const path = join(dir, "new", "region.pm");
  const { dev, ino } = statSync(path, { bigint: true });
  expect(hello).toMatchObject({
    protocol: 1,
    format: 1,
    features: [],
    credential: "",
    storeId: null,
    nodeId: null,
    design: null,
    incarnation: 1,
    sizeBytes,
    pid: process.pid,
    region: { path, device: String(dev), inode: String(ino) },
  });
  expect(hello.region.id).toMatch(/^[0-9a-f]{32}$/);
  expect(hello.bootId).toMatch(/^[0-9a-f-]{36}$/);
  expect(statSync(join(dir, "new")).mode & 0o777).toBe(0o700);
});

test("only loopback addresses are listened on, and nothing is made for others", async () => {
  for (const host of ["0.0.0.0", "::", "192.168.1.4", "example.org", "", "127.0.0.1:80"]) {
    const place = join(dir, "refused");
    const refusal: unknown = await start({ dir: place, host }).catch((error) => error);
    expect(codeOf(refusal), host).toBe("PDPM_INVALID_ARGUMENT not-applied");
    expect(String(refusal)).toMatch("loopback");
    expect(existsSync(place)).toBe(false);
  }
  for (const port of [-1, 65_536, 1.5, Number.NaN]) {
    await expect(start({ port })).rejects.toMatchObject({ code: "PDPM_INVALID_ARGUMENT" });
  }
  for (const host of ["127.0.0.1", "::1", "localhost"]) {
    const node = await start({ dir: join(dir, host.replaceAll(":", "-")), host });
    expect((await connect(node)).hello.sizeBytes).toBe(sizeBytes);
  }
});

test("a second server of a directory is refused and told who has it; after close it may start", async () => {
  const node = await start();
  const refusal: unknown = await start().catch((error) => error);
  expect(codeOf(refusal)).toBe("PDPM_IN_USE not-applied");
  expect(String(refusal)).toMatch(`pid ${process.pid}`);
  await node.close();
  await start();
});

test("a start that fails lets go of everything", async () => {
  const node = await start({ dir: join(dir, "one") });
  const port = Number(new URL(node.url).port);
  const other = join(dir, "two");
  await expect(start({ dir: other, port })).rejects.toMatchObject({ code: "PDPM_IN_USE" });
  const again = await start({ dir: other });
  expect((await connect(again)).hello.incarnation).toBe(1);
  await expect(start({ dir: join(dir, "three"), maxBytes: 4096 })).rejects.toMatchObject({
    code: "PDPM_INVALID_ARGUMENT",
  });
});

test("ids are handed out once, durably before they are told, also across restarts", async () => {
  const node = await start();
  const ids = await Promise.all([1, 2, 3, 4, 5].map(async () => (await connect(node)).admit()));
  expect(new Set(ids).size).toBe(5);
  await client(node, 40);
  expect((await client(node)).clientId).toBe(41);
  await node.close();
  await withRegion(({ header }) => {
    expect(header.load("nextClientId")).toBe(41n);
    expect(header.load("admittedThrough")).toBe(41n);
  });
  expect((await client(await start())).clientId).toBe(42);
});

test("admittedThrough is durable before an id is admitted", async () => {
  const node = await start();
  const order: string[] = [];
  const flushed = vi.spyOn(MappedRegion.prototype, "flushHeaderWord").mockImplementation((name) => {
    order.push(`flush ${name}`);
    return Promise.resolve();
  });
  ends.push(() => flushed.mockRestore());
  const connected = await connect(node);
  await connected.admit();
  order.push("admitted");
  expect(order).toEqual([
    "flush nextClientId",
    "flush nextClientId",
    "flush admittedThrough",
    "admitted",
  ]);
});

test("a clean restart is the same incarnation: clients come back under their ids", async () => {
  const node = await start();
  const port = Number(new URL(node.url).port);
  const onFenced = vi.fn();
  const connected = await connect(node, { onFenced, backoff: { firstMs: 5, mostMs: 20 } });
  const id = await connected.admit();
  await connected.post([at(8192, write(0, Uint8Array.of(7)))]);
  await node.close();
  await withRegion(({ header }) => expect(header.load("inUseBoot")).toBe(0n));
  await start({ port });
  await vi.waitFor(async () => {
    expect(await connected.post([at(8192, read(0, 1))])).toEqual([Uint8Array.of(7)]);
  });
  expect(connected.clientId).toBe(id);
  expect(connected.hello.incarnation).toBe(1);
  expect(onFenced).not.toHaveBeenCalled();
});

test("any other start is a new incarnation, which refuses every id admitted before", async () => {
  const node = await start();
  await client(node, 17);
  await node.close();
  // As if the process had died.
  await withRegion(({ header }) => header.store("inUseBoot", 99n));
  const again = await start();
  const connected = await connect(again);
  expect(connected.hello.incarnation).toBe(2);
  for (const id of [1, 16, 17]) {
    await expect(connected.admit(id)).rejects.toMatchObject({ code: "PDPM_FENCED" });
  }
  expect(await connected.admit()).toBe(18);
  expect(await connected.stats()).toMatchObject({ fenced: { ids: 0, through: 17 } });
  await again.close();
  expect((await connect(await start())).hello.incarnation).toBe(2);
});

test("a fenced id is refused at once and for ever; its rounds end, others go on", async () => {
  const node = await start();
  const victim = await client(node, 5);
  const other = await client(node, 6);
  await other.fence(5);
  await vi.waitFor(() => expect(victim.clientId).toBeUndefined());
  expect((await victim.post([at(8192, write(0, Uint8Array.of(1)))])).map(codeOf)).toEqual([
    "PDPM_FENCED not-applied",
  ]);
  await expect(victim.admit(5)).rejects.toMatchObject({ code: "PDPM_FENCED" });
  expect((await other.post([at(8192, read(0, 1))])).map(codeOf)).toEqual(["a value"]);
  // An id that was never seen, one that is fenced already, and both again after a restart.
  await other.fence(7);
  await other.fence(5);
  expect(await other.stats()).toMatchObject({ fenced: { ids: 2, through: 0 } });
  await node.close();
  expect(readFileSync(join(dir, "fenced"), "utf8").match(/\d+/g)).toEqual(["5", "7"]);
  const again = await start();
  const later = await connect(again);
  for (const id of [5, 7]) {
    await expect(later.admit(id)).rejects.toMatchObject({ code: "PDPM_FENCED" });
  }
  await later.admit(6);
  await again.close();
  // New ids pass over the fenced one.
  expect((await client(await start())).clientId).toBe(8);
});

test("what a crash left behind the last line of the fenced file does not count", async () => {
  const node = await start();
  const one = await client(node);
  await one.fence(70);
  await node.close();
  appendFileSync(join(dir, "fenced"), "\n71");
  const again = await connect(await start());
  await expect(again.admit(70)).rejects.toMatchObject({ code: "PDPM_FENCED" });
  expect(await again.admit(71)).toBe(71);
});

test("a fenced file with anything else in it is PDPM_CORRUPT, and the directory is let go", async () => {
  const node = await start();
  await node.close();
  writeFileSync(join(dir, "fenced"), "17\nseventeen\n");
  await expect(start()).rejects.toMatchObject({ code: "PDPM_CORRUPT" });
  writeFileSync(join(dir, "fenced"), "17\n");
  await start();
});

test("verbs, fences and growth need an admitted id; hello, stats and judge do not", async () => {
  const node = await start();
  const connected = await connect(node);
  expect(connected.hello.sizeBytes).toBe(sizeBytes);
  expect(await connected.stats()).toMatchObject({ pid: process.pid, connections: 1, sizeBytes });
  expect(await connected.judge(3)).toEqual({ alive: false });
  await expect(connected.fence(3)).rejects.toMatchObject({ code: "PDPM_FENCED" });
  await expect(connected.extend(2 * sizeBytes)).rejects.toMatchObject({ code: "PDPM_FENCED" });
});

test("two connections never carry one id: the new one ends the old one", async () => {
  const node = await start();
  const onFenced = vi.fn();
  const old = await connect(node, { onFenced });
  await old.admit(5);
  const lost = vi.waitFor(() => expect(old.counters.connections).toBeGreaterThan(1));
  const fresh = await connect(node);
  await fresh.admit(5);
  // The old one comes back as well: of two that use one id, one connection is up at a time.
  await lost;
  expect(onFenced).not.toHaveBeenCalled();
  await fresh.close();
});

test("a mapped client is judged by its lease file at this node", async () => {
  const node = await start();
  const lease = new LeaseFiles(dir).take(12);
  const connected = await connect(node);
  expect(await connected.judge(12)).toEqual({ alive: true, pid: process.pid });
  expect(await connected.judge(13)).toEqual({ alive: false });
  lease.release();
  expect(await connected.judge(12)).toEqual({ alive: false });
});

test("a node that closes while mapped clients live leaves the region marked in use", async () => {
  const node = await start();
  const lease = new LeaseFiles(dir).take(12);
  await node.close();
  await withRegion(({ header }) => expect(header.load("inUseBoot")).not.toBe(0n));
  lease.release();
});

test("clients over ws read the node's part of the header and cannot change it", async () => {
  const node = await start();
  const connected = await client(node);
  const image = async (): Promise<unknown> => (await connected.post([at(0, read(0, 4096))]))[0];
  const before = await image();
  const refused = "PDPM_INVALID_ARGUMENT not-applied";
  for (const offset of Object.values(headerWordOffset)) {
    if (offset >= labelPartOffset) continue;
    const replies = await connected.post([
      at(offset, write(0, new Uint8Array(8).fill(0xff))),
      at(offset, compareAndSwap(0, 1n, 2n)),
    ]);
    expect(replies.map(codeOf)).toEqual([refused, refused]);
  }
  // Across the border, too.
  const across = at(labelPartOffset - 8, write(0, new Uint8Array(16).fill(0xff)));
  expect((await connected.post([across])).map(codeOf)).toEqual([refused]);
  expect(await image()).toEqual(before);
  const allowed = await connected.post([
    at(labelPartOffset, compareAndSwap(0, 0n, 5n)),
    at(labelPartOffset + 8, write(0, Uint8Array.of(1))),
  ]);
  expect(allowed).toEqual([0n, undefined]);
});

const storeId = 0x1122334455667788n;

/** Labels the region as node 1 of a Direct store, as FORMAT.md's example does. */
function label(region: MappedRegion, durability: 1n | 2n): void {
  const storeWord = (0x0000010006008051n & ~0x30n) | (durability << 4n);
  const view = new DataView(new ArrayBuffer(16));
  view.setBigUint64(0, storeId, true);
  view.setBigUint64(8, storeWord, true);
  region.header.store("storeId", storeId);
  region.header.store("storeWord", storeWord);
  region.header.store("labelChecksum", checksum64(new Uint8Array(view.buffer)));
}

test("the hello tells the label, once it is finished", async () => {
  const node = await start();
  const connected = await client(node);
  await connected.post([at(headerWordOffset.storeId, compareAndSwap(0, 0n, storeId))]);
  expect((await connect(node)).hello.storeId).toBeNull();
  await withRegion((region) => label(region, 1n));
  expect((await connect(node)).hello).toMatchObject({
    storeId: "1122334455667788",
    storeWord: "0000010006008051",
    nodeId: 1,
    design: "direct",
    durability: "power",
  });
});

test("a store of durability process is refused after a crash of the machine, one of power is not", async () => {
  await createRegionFile(dir, sizeBytes);
  await withRegion((region) => {
    label(region, 2n);
    region.header.store("inUseBoot", 99n);
  });
  const refusal: unknown = await start().catch((error) => error);
  expect(codeOf(refusal)).toBe("PDPM_CORRUPT not-applied");
  expect(String(refusal)).toMatch(`pdpm fsck ${dir} --repair --yes`);
  // Refused means untouched.
  await withRegion((region) => {
    expect(region.header.load("incarnation")).toBe(1n);
    label(region, 1n);
  });
  expect((await connect(await start())).hello.incarnation).toBe(2);
});

test("a poisoned region is not served; one that is poisoned while served answers no verb", async () => {
  const node = await start();
  const connected = await client(node);
  await withRegion(({ header }) => header.store("poisoned", 5n));
  const replies = await connected.post([at(8192, read(0, 8)), at(8192, flush(0, 8))]);
  expect(replies.map(codeOf)).toEqual(Array(2).fill("PDPM_POISONED unknown"));
  await expect(node.close()).rejects.toMatchObject({ code: "PDPM_POISONED" });
  const refusal: unknown = await start().catch((error) => error);
  expect(codeOf(refusal)).toBe("PDPM_POISONED not-applied");
  expect(String(refusal)).toMatch("fsck");
});

test("the region grows to maxBytes and no further", async () => {
  const node = await start({ maxBytes: 4 * sizeBytes });
  const connected = await client(node);
  await connected.extend(2 * sizeBytes);
  expect(await connected.post([at(2 * sizeBytes - 8, read(0, 8))])).toEqual([new Uint8Array(8)]);
  await expect(connected.extend(4 * sizeBytes + 1)).rejects.toMatchObject({
    code: "PDPM_NO_SPACE",
    outcome: "not-applied",
  });
  expect((await connected.stats()).sizeBytes).toBe(2 * sizeBytes);
});

test("a region that is not given a size begins with its header alone", async () => {
  const node = await MemoryNode.start({ dir });
  ends.push(() => node.close());
  expect((await connect(node)).hello.sizeBytes).toBe(regionHeaderBytes);
});

test("verbs at random change exactly the bytes that they name, and none outside", async () => {
  const prng = new Prng(process.env["PDPM_SEED"] ?? "memory-node canaries 1");
  const node = await start();
  const connected = await client(node);
  const mirror = new Uint8Array(sizeBytes - regionHeaderBytes);
  for (let round = 0; round < 200; round += 1) {
    const posts = Array.from({ length: 1 + prng.below(20) }, () => {
      // From inside the header to beyond the end.
      const offset = 1024 + prng.below(sizeBytes);
      const bytes = 1 + prng.below(prng.chance(0.1) ? 20_000 : 100);
      if (prng.chance(0.2)) return at(offset, compareAndSwap(0, 0n, prng.word()));
      return prng.chance(0.7)
        ? at(offset, write(0, prng.bytes(bytes)))
        : at(offset, read(0, bytes));
    });
    const label = posts.some(
      ({ offset }) => offset >= labelPartOffset && offset < regionHeaderBytes,
    );
    if (label) continue;
    const replies = await connected.post(posts);
    posts.forEach((post, index) => {
      const { offset, bytes, data } = post;
      const isInside = offset >= regionHeaderBytes && offset + bytes <= sizeBytes;
      const isAligned = data !== undefined || bytes !== 8 || offset % 8 === 0;
      if (replies[index] instanceof PdpmError) return;
      const start = offset - regionHeaderBytes;
      if (typeof replies[index] === "bigint") {
        expect(isInside && isAligned).toBe(true);
        const view = new DataView(mirror.buffer);
        expect(replies[index]).toBe(view.getBigUint64(start, true));
        if (replies[index] === 0n) view.setBigUint64(start, post.desiredWord, true);
      } else if (data !== undefined) {
        expect(isInside).toBe(true);
        mirror.set(data, start);
      }
    });
  }
  const parts: Uint8Array[] = [];
  for (let start = regionHeaderBytes; start < sizeBytes; start += 4096) {
    parts.push((await connected.post([at(start, read(0, 4096))]))[0] as Uint8Array);
  }
  expect(Buffer.compare(Buffer.concat(parts), mirror)).toBe(0);
});

test("stats count what was applied, and the time it took", async () => {
  const node = await start();
  const connected = await client(node);
  await connected.post([
    at(8192, write(0, new Uint8Array(100))),
    at(8192, flush(0, 100)),
    at(8192, compareAndSwap(0, 0n, 1n)),
    at(8192, read(0, 40)),
    at(0, write(0, new Uint8Array(8))),
    at(sizeBytes, read(0, 8)),
  ]);
  const stats = await connected.stats();
  expect(stats.applied).toEqual({
    reads: 1,
    writes: 1,
    swaps: 1,
    flushes: 1,
    bytesRead: 40,
    bytesWritten: 100,
  });
  expect(stats.cpuSeconds).toBeGreaterThan(0);
});
