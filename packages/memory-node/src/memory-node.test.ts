// A memory node's life: how it starts, what it refuses, what it leaves when it ends.

import { appendFileSync, existsSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { checksum64 } from "@pdpm/layout/checksum";
import { headerWordOffset, regionHeaderBytes } from "@pdpm/layout/region-header";
import { createRegionFile, LeaseFiles, MappedRegion } from "@pdpm/transport-mapped";
import { compareAndSwap, flush, read, write } from "@pdpm/verbs";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { at, codeOf, Scene, sizeBytes, soon } from "./contract-scene.ts";
import { MemoryNode } from "./memory-node.ts";

let scene: Scene;
beforeEach(async () => {
  scene = await Scene.begin();
});
afterEach(() => scene.end());

test("a node makes its directory and region, and says in its hello where they are", async () => {
  const node = await scene.start({ dir: join(scene.dir, "new") });
  const { hello } = await scene.connect(node);
  const path = join(scene.dir, "new", "region.pm");
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
  expect(statSync(join(scene.dir, "new")).mode & 0o777).toBe(0o700);
});

test("only loopback addresses are listened on, and nothing is made for others", async () => {
  for (const host of ["0.0.0.0", "::", "192.168.1.4", "example.org", "", "127.0.0.1:80"]) {
    const place = join(scene.dir, "refused");
    const refusal: unknown = await scene.start({ dir: place, host }).catch((error) => error);
    expect(codeOf(refusal), host).toBe("PDPM_INVALID_ARGUMENT not-applied");
    expect(String(refusal)).toMatch("loopback");
    expect(existsSync(place)).toBe(false);
  }
  for (const port of [-1, 65_536, 1.5, Number.NaN]) {
    await expect(scene.start({ port })).rejects.toMatchObject({ code: "PDPM_INVALID_ARGUMENT" });
  }
  for (const host of ["127.0.0.1", "::1", "localhost"]) {
    const node = await scene.start({ dir: join(scene.dir, host.replaceAll(":", "-")), host });
    expect((await scene.connect(node)).hello.sizeBytes).toBe(sizeBytes);
  }
});

test("a second server of a directory is refused and told who has it; after close it may start", async () => {
  const node = await scene.start();
  const refusal: unknown = await scene.start().catch((error) => error);
  expect(codeOf(refusal)).toBe("PDPM_IN_USE not-applied");
  expect(String(refusal)).toMatch(`pid ${process.pid}`);
  await node.close();
  await scene.start();
});

test("a start that fails lets go of everything", async () => {
  const node = await scene.start({ dir: join(scene.dir, "one") });
  const port = Number(new URL(node.url).port);
  const other = join(scene.dir, "two");
  await expect(scene.start({ dir: other, port })).rejects.toMatchObject({ code: "PDPM_IN_USE" });
  const again = await scene.start({ dir: other });
  expect((await scene.connect(again)).hello.incarnation).toBe(1);
  await expect(
    scene.start({ dir: join(scene.dir, "three"), maxBytes: 4096 }),
  ).rejects.toMatchObject({
    code: "PDPM_INVALID_ARGUMENT",
  });
});

test("a clean restart is the same incarnation: clients come back under their ids", async () => {
  const node = await scene.start();
  const port = Number(new URL(node.url).port);
  const onFenced = vi.fn();
  const connected = await scene.connect(node, { onFenced, backoff: { firstMs: 5, mostMs: 20 } });
  const id = await connected.admit();
  await connected.post([at(8192, write(0, Uint8Array.of(7)))]);
  await node.close();
  await scene.withRegion(({ header }) => expect(header.load("inUseBoot")).toBe(0n));
  await scene.start({ port });
  await soon(async () => {
    expect(await connected.post([at(8192, read(0, 1))])).toEqual([Uint8Array.of(7)]);
  });
  expect(connected.clientId).toBe(id);
  expect(connected.hello.incarnation).toBe(1);
  expect(onFenced).not.toHaveBeenCalled();
});

test("a clean close makes everything durable before it says so", async () => {
  const node = await scene.start();
  const order: string[] = [];
  const { prototype } = MappedRegion;
  const all = vi.spyOn(prototype, "flushAll").mockImplementation(async () => {
    order.push("all");
  });
  const word = vi.spyOn(prototype, "flushHeaderWord").mockImplementation(async (name) => {
    order.push(name);
  });
  scene.atEnd(() => [all, word].map((spy) => spy.mockRestore()));
  await node.close();
  expect(order).toEqual(["all", "inUseBoot"]);
});

test("H19: any other start is a new incarnation, which refuses every id admitted before", async () => {
  const node = await scene.start();
  await scene.client(node, 17);
  await node.close();
  // As if the process had died.
  await scene.withRegion(({ header }) => header.store("inUseBoot", 99n));
  const again = await scene.start();
  const connected = await scene.connect(again);
  expect(connected.hello.incarnation).toBe(2);
  for (const id of [1, 16, 17]) {
    await expect(connected.admit(id)).rejects.toMatchObject({ code: "PDPM_FENCED" });
  }
  expect(await connected.admit()).toBe(18);
  expect(await connected.stats()).toMatchObject({ fenced: { ids: 0, through: 17 } });
  await again.close();
  expect((await scene.connect(await scene.start())).hello.incarnation).toBe(2);
});

test("what a crash left behind the last line of the fenced file does not count", async () => {
  const node = await scene.start();
  const one = await scene.client(node);
  await one.fence(70);
  await node.close();
  appendFileSync(join(scene.dir, "fenced"), "\n71");
  const again = await scene.connect(await scene.start());
  await expect(again.admit(70)).rejects.toMatchObject({ code: "PDPM_FENCED" });
  expect(await again.admit(71)).toBe(71);
});

test("a fenced file with anything else in it is PDPM_CORRUPT, and the directory is let go", async () => {
  const node = await scene.start();
  await node.close();
  writeFileSync(join(scene.dir, "fenced"), "17\nseventeen\n");
  await expect(scene.start()).rejects.toMatchObject({ code: "PDPM_CORRUPT" });
  writeFileSync(join(scene.dir, "fenced"), "17\n");
  await scene.start();
});

test("a node that closes while mapped clients live leaves the region marked in use", async () => {
  const node = await scene.start();
  const lease = new LeaseFiles(scene.dir).take(12);
  await node.close();
  await scene.withRegion(({ header }) => expect(header.load("inUseBoot")).not.toBe(0n));
  lease.release();
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
  const node = await scene.start();
  const connected = await scene.client(node);
  await connected.post([at(headerWordOffset.storeId, compareAndSwap(0, 0n, storeId))]);
  expect((await scene.connect(node)).hello.storeId).toBeNull();
  await scene.withRegion((region) => label(region, 1n));
  expect((await scene.connect(node)).hello).toMatchObject({
    storeId: "1122334455667788",
    storeWord: "0000010006008051",
    nodeId: 1,
    design: "direct",
    durability: "power",
  });
});

test("a store of durability process is refused after a crash of the machine, one of power is not", async () => {
  await createRegionFile(scene.dir, sizeBytes);
  await scene.withRegion((region) => {
    label(region, 2n);
    region.header.store("inUseBoot", 99n);
  });
  const refusal: unknown = await scene.start().catch((error) => error);
  expect(codeOf(refusal)).toBe("PDPM_CORRUPT not-applied");
  expect(String(refusal)).toMatch(`pdpm fsck ${scene.dir} --repair --yes`);
  // Refused means untouched.
  await scene.withRegion((region) => {
    expect(region.header.load("incarnation")).toBe(1n);
    label(region, 1n);
  });
  expect((await scene.connect(await scene.start())).hello.incarnation).toBe(2);
});

test("a poisoned region is not served; one that is poisoned while served answers no verb", async () => {
  const node = await scene.start();
  const connected = await scene.client(node);
  await scene.withRegion(({ header }) => header.store("poisoned", 5n));
  const replies = await connected.post([at(8192, read(0, 8)), at(8192, flush(0, 8))]);
  expect(replies.map(codeOf)).toEqual(Array(2).fill("PDPM_POISONED unknown"));
  await expect(node.close()).rejects.toMatchObject({ code: "PDPM_POISONED" });
  const refusal: unknown = await scene.start().catch((error) => error);
  expect(codeOf(refusal)).toBe("PDPM_POISONED not-applied");
  expect(String(refusal)).toMatch("fsck");
});

test("a region that is not given a size begins with its header alone", async () => {
  const node = await MemoryNode.start({ dir: scene.dir });
  scene.atEnd(() => node.close());
  expect((await scene.connect(node)).hello.sizeBytes).toBe(regionHeaderBytes);
});
