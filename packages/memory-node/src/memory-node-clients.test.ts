// A memory node's clients: whom it admits, what they may do, what it counts.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { PdpmError, Prng } from "@pdpm/base";
import { headerWordOffset, labelPartOffset, regionHeaderBytes } from "@pdpm/layout/region-header";
import { LeaseFiles, MappedRegion } from "@pdpm/transport-mapped";
import { compareAndSwap, flush, read, write } from "@pdpm/verbs";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { at, codeOf, Scene, sizeBytes, soon } from "./contract-scene.ts";

let scene: Scene;
beforeEach(async () => {
  scene = await Scene.begin();
});
afterEach(() => scene.end());

test("ids are handed out once, durably before they are told, also across restarts", async () => {
  const node = await scene.start();
  const ids = await Promise.all(
    [1, 2, 3, 4, 5].map(async () => (await scene.connect(node)).admit()),
  );
  expect(new Set(ids).size).toBe(5);
  await scene.client(node, 40);
  expect((await scene.client(node)).clientId).toBe(41);
  await node.close();
  await scene.withRegion(({ header }) => {
    expect(header.load("nextClientId")).toBe(41n);
    expect(header.load("admittedThrough")).toBe(41n);
  });
  expect((await scene.client(await scene.start())).clientId).toBe(42);
});

test("admittedThrough is durable before an id is admitted", async () => {
  const node = await scene.start();
  const order: string[] = [];
  const flushed = vi.spyOn(MappedRegion.prototype, "flushHeaderWord").mockImplementation((name) => {
    order.push(`flush ${name}`);
    return Promise.resolve();
  });
  scene.atEnd(() => flushed.mockRestore());
  const connected = await scene.connect(node);
  await connected.admit();
  order.push("admitted");
  expect(order).toEqual([
    "flush nextClientId",
    "flush nextClientId",
    "flush admittedThrough",
    "admitted",
  ]);
});

test("a fenced id is refused at once and for ever; its rounds end, others go on", async () => {
  const node = await scene.start();
  const victim = await scene.client(node, 5);
  const other = await scene.client(node, 6);
  await other.fence(5);
  await soon(() => expect(victim.clientId).toBeUndefined());
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
  expect(readFileSync(join(scene.dir, "fenced"), "utf8").match(/\d+/g)).toEqual(["5", "7"]);
  const again = await scene.start();
  const later = await scene.connect(again);
  for (const id of [5, 7]) {
    await expect(later.admit(id)).rejects.toMatchObject({ code: "PDPM_FENCED" });
  }
  await later.admit(6);
  await again.close();
  // New ids pass over the fenced one.
  expect((await scene.client(await scene.start())).clientId).toBe(8);
});

test("verbs, fences and growth need an admitted id; hello, stats and judge do not", async () => {
  const node = await scene.start();
  const connected = await scene.connect(node);
  expect(connected.hello.sizeBytes).toBe(sizeBytes);
  expect(await connected.stats()).toMatchObject({ pid: process.pid, connections: 1, sizeBytes });
  expect(await connected.judge(3)).toEqual({ alive: false });
  await expect(connected.fence(3)).rejects.toMatchObject({ code: "PDPM_FENCED" });
  await expect(connected.extend(2 * sizeBytes)).rejects.toMatchObject({ code: "PDPM_FENCED" });
});

test("two connections never carry one id: the new one ends the old one", async () => {
  const node = await scene.start();
  const onFenced = vi.fn();
  const old = await scene.connect(node, { onFenced });
  await old.admit(5);
  const lost = soon(() => expect(old.counters.connections).toBeGreaterThan(1));
  const fresh = await scene.connect(node);
  await fresh.admit(5);
  // The old one comes back as well: of two that use one id, one connection is up at a time.
  await lost;
  expect(onFenced).not.toHaveBeenCalled();
  await fresh.close();
});

test("a mapped client is judged by its lease file at this node", async () => {
  const node = await scene.start();
  const lease = new LeaseFiles(scene.dir).take(12);
  const connected = await scene.connect(node);
  expect(await connected.judge(12)).toEqual({ alive: true, pid: process.pid });
  expect(await connected.judge(13)).toEqual({ alive: false });
  lease.release();
  expect(await connected.judge(12)).toEqual({ alive: false });
});

test("a mapped client that lives through a crash of the node comes back for control calls", async () => {
  const node = await scene.start({ maxBytes: 4 * sizeBytes });
  const ids = [5, 6, 7];
  for (const id of ids) await scene.client(node, id);
  const other = await scene.client(node, 8);
  await other.fence(6);
  const leases = [5, 6].map((id) => new LeaseFiles(scene.dir).take(id));
  await expect(other.fence(5)).rejects.toMatchObject({ code: "PDPM_BUSY" });
  await node.close();
  const again = await scene.start({ maxBytes: 4 * sizeBytes });
  const mapped = await scene.client(again, 5);
  expect(mapped.hello.incarnation).toBe(2);
  await mapped.extend(2 * sizeBytes);
  await mapped.fence(99);
  for (const id of [6, 7, 8]) {
    await expect(scene.connect(again).then((each) => each.admit(id))).rejects.toMatchObject({
      code: "PDPM_FENCED",
    });
  }
  for (const lease of leases) lease.release();
  await expect(scene.connect(again).then((each) => each.admit(5))).rejects.toMatchObject({
    code: "PDPM_FENCED",
  });
});

test("clients over ws read the node's part of the header and cannot change it", async () => {
  const node = await scene.start();
  const connected = await scene.client(node);
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

test("the region grows to maxBytes and no further", async () => {
  const node = await scene.start({ maxBytes: 4 * sizeBytes });
  const connected = await scene.client(node);
  await connected.extend(2 * sizeBytes);
  expect(await connected.post([at(2 * sizeBytes - 8, read(0, 8))])).toEqual([new Uint8Array(8)]);
  await expect(connected.extend(4 * sizeBytes + 1)).rejects.toMatchObject({
    code: "PDPM_NO_SPACE",
    outcome: "not-applied",
  });
  expect((await connected.stats()).sizeBytes).toBe(2 * sizeBytes);
});

test("verbs at random change exactly the bytes that they name, and none outside", async () => {
  const prng = new Prng(process.env["PDPM_SEED"] ?? "memory-node canaries 1");
  const node = await scene.start();
  const connected = await scene.client(node);
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
  const node = await scene.start();
  const connected = await scene.client(node);
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
