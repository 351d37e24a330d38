// A region over its life: use after close, ids, media.

import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@pdpm/base";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type CallFailure, type Libc, systemLibc } from "./libc.ts";
import { MappedRegion, type MappedRegionOptions } from "./mapped-region.ts";
import { createRegionFile } from "./region-file.ts";

const sizeBytes = 2 ** 20;
const first = 4096;
const eight = new Uint8Array(8).fill(1);
let directory: string;
const opened: MappedRegion[] = [];
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "pdpm-mapped-"));
  await createRegionFile(directory, sizeBytes);
});
afterEach(async () => {
  await Promise.all(opened.map((region) => region.close()));
  opened.length = 0;
  rmSync(directory, { recursive: true });
});

function open(options: MappedRegionOptions = {}): MappedRegion {
  const region = MappedRegion.open(directory, systemClock, options);
  opened.push(region);
  return region;
}

function changed(overrides: Partial<Libc>): Libc {
  return new Proxy(systemLibc(), {
    get(target, name) {
      const instead = overrides[name as keyof Libc];
      return instead ?? (target[name as keyof Libc] as () => unknown).bind(target);
    },
  });
}

const broken: CallFailure = { errno: 5, text: "msync of 4096 bytes failed with EIO" };
const closed: unknown = expect.objectContaining({ code: "PDPM_CLOSED" });

test("every use after close throws PDPM_CLOSED", async () => {
  const region = open();
  region.write(first, eight);
  const closing = region.close();
  const uses: (() => unknown)[] = [
    () => region.read(first, new Uint8Array(8)),
    () => region.write(first, eight),
    () => region.compareAndSwap(first, 0n, 1n),
    () => region.flush(first, 8),
    () => region.sizeBytes,
    () => region.header.load("incarnation"),
    () => region.header.store("inUseBoot", 1n),
    () => region.header.compareAndSwap("storeId", 0n, 1n),
    () => region.header.fetchAdd("nextClientId", 1n),
  ];
  const later = [
    () => region.extend(2 * sizeBytes),
    () => region.takeClientId(true),
    () => region.flushHeaderWord("sizeBytes"),
    () => region.flushAll(),
  ];
  for (const moment of ["while it closes", "when it is closed"]) {
    for (const use of uses) expect(use, moment).toThrow(closed as Error);
    for (const use of later) await expect(use(), moment).rejects.toEqual(closed);
    await closing;
  }
  await region.close();
});

test("close waits for the last flush, with none behind it, before it unmaps", async () => {
  const events: string[] = [];
  let finish = (): void => undefined;
  const libc = changed({
    sync: () =>
      new Promise((resolve) => {
        events.push("flushing");
        finish = () => resolve(null);
      }),
    unmap: (address, bytes) => {
      events.push("unmapped");
      systemLibc().unmap(address, bytes);
    },
  });
  const region = open({ libc });
  // The first opening of a process unmaps the memory of the self-test.
  events.length = 0;
  const flushing = region.flush(first, 8)?.then(() => events.push("flushed"));
  await new Promise(setImmediate);
  const closing = region.close();
  await new Promise(setImmediate);
  expect(events).toEqual(["flushing"]);
  finish();
  await Promise.all([flushing, closing]);
  expect(events).toEqual(["flushing", "flushed", "unmapped"]);
});

test("close waits for flushes in flight before it unmaps", async () => {
  const events: string[] = [];
  let finish = (): void => undefined;
  const libc = changed({
    sync: () =>
      new Promise((resolve) => {
        finish = () => resolve(null);
      }),
    unmap: (address, bytes) => {
      events.push("unmapped");
      systemLibc().unmap(address, bytes);
    },
  });
  const region = open({ libc });
  events.length = 0;
  const one = region.flush(first, 8)?.then(() => events.push("one"));
  await Promise.resolve();
  const two = region.flush(first, 8)?.then(() => events.push("two"));
  const closing = region.close();
  await new Promise(setImmediate);
  expect(events).toEqual([]);
  finish();
  await one;
  await new Promise(setImmediate);
  finish();
  await Promise.all([two, closing]);
  expect(events).toEqual(["one", "two", "unmapped"]);
});

test("a read never waits for a flush in flight", async () => {
  let finish = (): void => undefined;
  const stuck = new Promise<null>((resolve) => {
    finish = () => resolve(null);
  });
  const region = open({ libc: changed({ sync: () => stuck }) });
  region.write(first, eight);
  const flushing = region.flush(first, 8);
  await Promise.resolve();
  const target = new Uint8Array(8);
  region.read(first, target);
  expect(target).toEqual(eight);
  finish();
  await flushing;
});

test("client ids are handed out once, over all openings, and durable when asked", async () => {
  let flushed: number[] = [];
  const counting = changed({
    sync: async (_, bytes) => {
      flushed.push(bytes);
      return null;
    },
  });
  const regions = [open({ libc: counting }), open({ libc: counting })];
  const ids = await Promise.all(
    regions.flatMap((one) => [1, 2, 3].map(() => one.takeClientId(true))),
  );
  expect([...ids].sort()).toEqual([1, 2, 3, 4, 5, 6]);
  expect(flushed).toEqual([4096, 4096]);
  flushed = [];
  expect(await regions[0]?.takeClientId(false)).toBe(7);
  expect(flushed).toEqual([]);
});

test("header words are unsigned, and raise never lowers one", () => {
  const { header } = open();
  header.store("fencedThrough", 2n ** 64n - 2n);
  expect(header.fetchAdd("fencedThrough", 1n)).toBe(2n ** 64n - 2n);
  expect(header.compareAndSwap("fencedThrough", 2n ** 64n - 1n, 4n)).toBe(2n ** 64n - 1n);
  header.raise("fencedThrough", 9n);
  header.raise("fencedThrough", 7n);
  expect(header.load("fencedThrough")).toBe(9n);
});

test("a file on a disk needs msync, one in memory needs nothing", async () => {
  const region = open();
  expect(region.medium).toBe("file");
  expect(region.flush(first, 8)).toBeInstanceOf(Promise);
  await region.flushAll();
  const memory = mkdtempSync("/dev/shm/pdpm-mapped-");
  await createRegionFile(memory, sizeBytes);
  const fail = async (): Promise<CallFailure> => broken;
  const inMemory = MappedRegion.open(memory, systemClock, {
    libc: changed({ sync: fail, syncFile: fail }),
  });
  expect(inMemory.medium).toBe("memory");
  expect(inMemory.flush(first, 8)).toBeUndefined();
  await inMemory.flushAll();
  await inMemory.close();
  rmSync(memory, { recursive: true });
});

test("on memory that libpmem holds to be persistent, a flush is done when it returns", () => {
  // libpmem reads PMEM_IS_PMEM_FORCE when it is loaded, so this takes a process of its own.
  const script = `
    import { systemClock } from "@pdpm/base";
    import { MappedRegion } from "@pdpm/transport-mapped";
    const region = MappedRegion.open(process.argv[1], systemClock, { windowBytes: 8192 });
    region.write(8190, new Uint8Array(5000).fill(7));
    const reply = region.flush(8190, 5000);
    console.log(region.medium, reply === undefined);
    await region.flushAll();
    await region.close();
  `;
  const here = join(import.meta.dirname, "..");
  const output = execFileSync(process.execPath, ["--input-type=module", "-e", script, directory], {
    cwd: here,
    env: { ...process.env, PMEM_IS_PMEM_FORCE: "1" },
    encoding: "utf8",
  });
  const folders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib", "/lib"];
  const installed = folders.some((folder) => existsSync(join(folder, "libpmem.so.1")));
  expect(output.trim()).toBe(installed ? "persistent true" : "file false");
});
