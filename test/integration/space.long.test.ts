// A store that fills up: within its maxBytes, or because the file system is full. It says so, loses
// nothing, serves on, and works again after deletes, also with values of another size.

import { execFileSync } from "node:child_process";
import { mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { isPdpmError } from "@pdpm/base";
import { open, type Store } from "pdpm";
import { expect, test } from "vitest";
import { Scene } from "../support/processes.ts";

const scene = new Scene();
const MIB = 2 ** 20;

async function opened(directory: string, maxBytes?: number): Promise<Store<Uint8Array>> {
  const options = {
    design: "direct",
    durability: "process",
    timeoutMs: 10_000,
    chunkBytes: 4 * MIB,
  } as const;
  const store = await open(directory, maxBytes === undefined ? options : { ...options, maxBytes });
  scene.after(() => store.close());
  return store;
}

/** Puts values of `bytes` bytes until the store is full, and returns how many were acknowledged. */
async function fill(store: Store<Uint8Array>, prefix: string, bytes: number): Promise<number> {
  const countMost = (128 * MIB) / bytes;
  for (let i = 0; i < countMost; i += 1) {
    try {
      await store.put(`${prefix} ${i}`, contentOf(i, bytes));
    } catch (error) {
      expect(error).toMatchObject({ code: "PDPM_NO_SPACE", outcome: "not-applied" });
      return i;
    }
  }
  throw new Error(`${countMost} values of ${bytes} bytes found room`);
}

function contentOf(i: number, bytes: number): Uint8Array {
  return new Uint8Array(bytes).fill(i + 1);
}

/** Of `count` values, every one is there. */
async function expectWhole(
  store: Store<Uint8Array>,
  prefix: string,
  count: number,
  bytes: number,
): Promise<void> {
  for (let i = 0; i < count; i += 1) {
    const value = await store.get(`${prefix} ${i}`);
    const isWhole = Buffer.compare(value ?? new Uint8Array(), contentOf(i, bytes)) === 0;
    expect(isWhole, `${prefix} ${i}`).toBe(true);
  }
  expect(await store.has(`${prefix} ${count}`)).toBe(false);
}

async function deleteAll(
  store: Store<Uint8Array>,
  prefix: string,
  count: number,
  from = 0,
): Promise<void> {
  for (let i = from; i < count; i += 1) {
    expect(await store.delete(`${prefix} ${i}`), `${prefix} ${i}`).toBe(true);
  }
}

/** A second client in a process of its own, that reads now and then. */
const neighbour = `
  const store = await openStore();
  say("ready");
  let isOn = true;
  heard.once("line", () => { isOn = false; });
  let reads = 0;
  while (isOn) {
    await store.get("small 0");
    await store.has("large 0");
    reads += 1;
    await sleep(systemClock, 5);
  }
  await store.put("last", new Uint8Array(10));
  await store.close();
  say({ reads });
  process.exit(0);
`;

test("a store that is full says so, serves on, and takes values of another size after deletes", async () => {
  const directory = await scene.directory("memory");
  const store = await opened(directory, 64 * MIB);
  const other = scene.start(neighbour, { given: { directory } });
  expect(await other.line()).toBe("ready");
  const [small, large] = [8 * 1024, 100 * 1024];
  const smallCount = await fill(store, "small", small);
  // Two copies each, and the first chunk is not for values.
  expect(smallCount * small * 2).toBeGreaterThan(0.6 * 64 * MIB);
  expect(statSync(join(directory, "region.pm")).size).toBeLessThanOrEqual(65 * MIB);
  await expectWhole(store, "small", smallCount, small);
  // Updates need no space. A delete makes room for one of the same size at once.
  await store.put("small 0", contentOf(0, small));
  await deleteAll(store, "small", smallCount, smallCount - 1);
  await store.put("small again", contentOf(1, small));
  expect(await store.delete("small again")).toBe(true);
  await deleteAll(store, "small", smallCount - 1);
  const cutBefore = store.counters().events["chunksCut"] as number;
  const largeCount = await fill(store, "large", large);
  const cut = (store.counters().events["chunksCut"] as number) - cutBefore;
  console.log(
    `64 MiB took ${smallCount} of 8 KiB, then ${largeCount} of 100 KiB: ${cut} chunks cut`,
  );
  expect(largeCount * large * 2).toBeGreaterThan(0.5 * 64 * MIB);
  expect(cut).toBeGreaterThan(5);
  await expectWhole(store, "large", largeCount, large);
  await deleteAll(store, "large", largeCount);
  other.tell("stop");
  expect((await other.line<{ reads: number }>()).reads).toBeGreaterThan(0);
  expect(await other.end()).toEqual({ code: 0, signal: null });
});

test("a client that saw the store full cuts chunks anew when small values follow large ones", async () => {
  const store = await opened(await scene.directory("memory"), 32 * MIB);
  const smallCount = await fill(store, "small", 8 * 1024);
  await deleteAll(store, "small", smallCount);
  await deleteAll(store, "large", await fill(store, "large", 100 * 1024));
  expect(await fill(store, "small", 8 * 1024)).toBeGreaterThan(0.9 * smallCount);
});

// Nothing but deletes happens between the two: the chunk table stays as it was.
test("a size that found no room, once, is cut chunks as soon as larger values are gone", async () => {
  const store = await opened(await scene.directory("memory"), 32 * MIB);
  const largeCount = await fill(store, "large", 8 * 1024);
  expect(await fill(store, "small", 500)).toBe(0);
  await deleteAll(store, "large", largeCount);
  expect(await fill(store, "small", 500)).toBeGreaterThan(6 * largeCount);
});

test("a full disk is PDPM_NO_SPACE, nothing is lost, and after deletes the store works again", async () => {
  const directory = await scene.directory("memory");
  const mounted = join(directory, "small");
  mkdirSync(mounted);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=16m", "tmpfs", mounted], { stdio: "pipe" });
  } catch (error) {
    console.log("no file system of 16 MiB to fill: only root can mount one");
    expect(process.getuid?.(), String(error)).not.toBe(0);
    return;
  }
  // Ends before the directory around it is removed, and after the store on it is closed.
  scene.after(async () => execFileSync("umount", [mounted]));
  const store = await opened(join(mounted, "store"));
  const count = await fill(store, "k", 8 * 1024);
  expect(count).toBeGreaterThan(200);
  expect(statSync(join(mounted, "store", "region.pm")).size).toBeLessThanOrEqual(16 * MIB);
  await expectWhole(store, "k", count, 8 * 1024);
  const late = await opened(join(mounted, "store"));
  await expectWhole(late, "k", count, 8 * 1024);
  await deleteAll(store, "k", count, count - 100);
  for (let i = count - 100; i < count; i += 1) await late.put(`k ${i}`, contentOf(i, 8 * 1024));
  await expectWhole(store, "k", count, 8 * 1024);
});

test("50,000 updates of a small store take no more blocks than its first ones", async () => {
  const directory = await scene.directory("memory");
  const store = await opened(directory, 64 * MIB);
  const keys = Array.from({ length: 200 }, (_, i) => `key ${i}`);
  const sizes = [100, 900, 2000];
  const update = async (times: number): Promise<void> => {
    for (let i = 0; i < times; i += 1) {
      const bytes = sizes[Math.floor(i / keys.length) % sizes.length] as number;
      await store.put(keys[i % keys.length] as string, contentOf(i, bytes));
      // Now and then a key goes and comes back.
      if (i % 50 === 0) await store.delete(keys[(i * 7) % keys.length] as string);
    }
  };
  await update(3 * keys.length);
  const { blocks, size } = statSync(join(directory, "region.pm"));
  expect(blocks * 512).toBeGreaterThanOrEqual(size);
  await update(50_000);
  const after = statSync(join(directory, "region.pm"));
  expect({ blocks: after.blocks, size: after.size }).toEqual({ blocks, size });
  const { space } = await store.stats();
  let keysThere = 0;
  for await (const _ of store.keys()) keysThere += 1;
  expect(space.cellsLive).toBe(keysThere);
});

test("a store with no room for a new one of it on a full disk is an error, not half a store", async () => {
  const directory = await scene.directory("memory");
  const mounted = join(directory, "tiny");
  mkdirSync(mounted);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", mounted], { stdio: "pipe" });
  } catch (error) {
    expect(process.getuid?.(), String(error)).not.toBe(0);
    return;
  }
  scene.after(async () => execFileSync("umount", [mounted]));
  const failure = await open(join(mounted, "store"), {
    design: "direct",
    durability: "process",
  }).catch((error: unknown) => error);
  expect(isPdpmError(failure) ? failure.code : failure).toBe("PDPM_NO_SPACE");
  execFileSync("mount", ["-o", "remount,size=64m", mounted]);
  const store = await opened(join(mounted, "store"));
  await store.put("k", contentOf(0, 10));
  expect(await store.get("k")).toEqual(contentOf(0, 10));
});
