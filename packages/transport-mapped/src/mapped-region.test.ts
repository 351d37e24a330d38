// A region over its life: use after close, failed flushes, growth, ids, media.

import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@pdpm/base";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FileLock } from "./file-lock.ts";
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
const poisoned: unknown = expect.objectContaining({ code: "PDPM_POISONED" });
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

test("close waits for growth in flight before it unmaps", async () => {
  const events: string[] = [];
  let finish = (): void => undefined;
  const libc = changed({
    syncFile: () =>
      new Promise((resolve) => {
        events.push("growing");
        finish = () => resolve(null);
      }),
    unmap: (address, bytes) => {
      events.push("unmapped");
      systemLibc().unmap(address, bytes);
    },
  });
  const region = open({ libc });
  const growth = region.extend(2 * sizeBytes);
  while (events.length === 0) await new Promise(setImmediate);
  const closing = region.close();
  await new Promise(setImmediate);
  finish();
  await Promise.all([growth.then(() => events.push("grown")), closing]);
  expect(events).toEqual(["growing", "grown", "unmapped"]);
  expect(open().sizeBytes).toBe(2 * sizeBytes);
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

test("a failed flush poisons the region, for all who opened it, before it is told", async () => {
  const other = open();
  const region = open({ libc: changed({ sync: async () => broken }) });
  region.write(first, eight);
  let wordWhenTold = 0n;
  const failure: unknown = await region.flush(first, 8)?.catch((error: unknown) => {
    wordWhenTold = region.header.load("poisoned");
    return error;
  });
  expect(failure).toMatchObject({ code: "PDPM_POISONED", outcome: "unknown" });
  expect(wordWhenTold).toBe(5n);
  for (const each of [region, other, open()]) {
    expect(() => each.read(first, new Uint8Array(8))).toThrow(poisoned as Error);
    expect(() => each.write(first, eight)).toThrow(poisoned as Error);
    expect(() => each.compareAndSwap(first, 0n, 1n)).toThrow(poisoned as Error);
    expect(() => each.flush(first, 8)).toThrow(poisoned as Error);
    await expect(each.extend(2 * sizeBytes)).rejects.toEqual(poisoned);
    await expect(each.flushAll()).rejects.toEqual(poisoned);
  }
});

test("a flush is never retried: what gathered behind a failed one fails unasked", async () => {
  let calls = 0;
  const libc = changed({
    sync: async () => {
      calls += 1;
      return calls === 1 ? broken : null;
    },
  });
  const region = open({ libc });
  const one = region.flush(first, 8);
  await Promise.resolve();
  const two = region.flush(first, 8);
  await expect(one).rejects.toEqual(poisoned);
  await expect(two).rejects.toEqual(poisoned);
  expect(calls).toBe(1);
});

test("a flush is not believed if another process met a failure meanwhile", async () => {
  const other = open();
  const libc = changed({
    sync: async () => {
      other.header.store("poisoned", 5n);
      return null;
    },
    syncFile: async () => {
      other.header.store("poisoned", 5n);
      return null;
    },
  });
  const region = open({ libc });
  await expect(region.flush(first, 8)).rejects.toEqual(poisoned);
  other.header.store("poisoned", 0n);
  await expect(region.flushAll()).rejects.toEqual(poisoned);
});

test("an msync that cannot even be called, and a failed flush of all, poison as well", async () => {
  const uncallable = open({
    libc: changed({ sync: () => Promise.reject(new Error("too many calls")) }),
  });
  await expect(uncallable.flush(first, 8)).rejects.toThrow(/too many calls/);
  expect(uncallable.header.load("poisoned")).toBe(5n);
  uncallable.header.store("poisoned", 0n);
  const failing = open({ libc: changed({ syncFile: async () => broken }) });
  await expect(failing.flushAll()).rejects.toEqual(poisoned);
  expect(failing.header.load("poisoned")).toBe(5n);
});

test("fsck can read a poisoned region, and it serves again once the word is cleared", async () => {
  const region = open();
  region.write(first, eight);
  region.header.store("poisoned", 5n);
  expect(() => region.read(first, new Uint8Array(8))).toThrow(poisoned as Error);
  const repair = open({ evenPoisoned: true });
  const target = new Uint8Array(8);
  repair.read(first, target);
  expect(target).toEqual(eight);
  await expect(repair.flush(first, 8)).rejects.toEqual(poisoned);
  repair.header.store("poisoned", 0n);
  await repair.flush(first, 8);
  region.read(first, target);
  await repair.close();
  expect(() => repair.read(first, target)).toThrow(closed as Error);
});

test("space that one opening adds is reserved, zero, and seen by the others", async () => {
  const [region, other] = [open(), open()];
  other.read(sizeBytes - 8, new Uint8Array(8));
  expect(() => other.read(sizeBytes, new Uint8Array(8))).toThrow(/PDPM_INVALID_ARGUMENT/);
  await region.extend(2 * sizeBytes - 100);
  expect([region.sizeBytes, other.sizeBytes]).toEqual([2 * sizeBytes, 2 * sizeBytes]);
  const { blocks, size } = statSync(region.file.path);
  expect(size).toBe(2 * sizeBytes);
  expect(blocks * 512).toBeGreaterThanOrEqual(2 * sizeBytes);
  region.write(2 * sizeBytes - 8, eight);
  const target = new Uint8Array(8);
  other.read(2 * sizeBytes - 8, target);
  expect(target).toEqual(eight);
  await other.extend(sizeBytes);
  expect(other.sizeBytes).toBe(2 * sizeBytes);
});

test("a full disk leaves size and file as they were, and growth works again later", async () => {
  let room = false;
  const libc = changed({
    // As ext4 does it: keeps a part of what was asked for, then reports that the disk is full.
    allocate: async (descriptor, offset, bytes) => {
      await systemLibc().allocate(descriptor, offset, room ? bytes : bytes / 2);
      return room ? null : { errno: 28, text: "reserving failed with ENOSPC" };
    },
  });
  const region = open({ libc });
  await expect(region.extend(2 * sizeBytes)).rejects.toMatchObject({ code: "PDPM_NO_SPACE" });
  expect(region.sizeBytes).toBe(sizeBytes);
  expect(statSync(region.file.path).size).toBe(sizeBytes);
  room = true;
  await region.extend(2 * sizeBytes);
  expect(region.sizeBytes).toBe(2 * sizeBytes);
});

test("a real full file system and the caller's own limit are PDPM_NO_SPACE", async () => {
  const limited = open({ maxBytes: 2 * sizeBytes });
  await limited.extend(2 * sizeBytes);
  await expect(limited.extend(2 * sizeBytes + 1)).rejects.toMatchObject({ code: "PDPM_NO_SPACE" });
  await expect(limited.extend(Number.NaN)).rejects.toMatchObject({ code: "PDPM_INVALID_ARGUMENT" });
  const memory = mkdtempSync("/dev/shm/pdpm-full-");
  await createRegionFile(memory, sizeBytes);
  const full = MappedRegion.open(memory, systemClock);
  await expect(full.extend(2 ** 46)).rejects.toMatchObject({ code: "PDPM_NO_SPACE" });
  expect(full.sizeBytes).toBe(sizeBytes);
  await full.close();
  rmSync(memory, { recursive: true });
});

test("growth waits for the one that another opening has begun", async () => {
  const region = open();
  const lock = FileLock.take(join(directory, "locks", "extend"), "exclusive");
  let done = false;
  const growing = region.extend(2 * sizeBytes).then(() => {
    done = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(done).toBe(false);
  lock.release();
  await growing;
  expect(region.sizeBytes).toBe(2 * sizeBytes);
});

test("the longer file is durable before the header says so, and the header after it", async () => {
  const events: string[] = [];
  const reader = open();
  const libc = changed({
    syncFile: async (descriptor) => {
      events.push(`file, size word ${reader.header.load("sizeBytes")}`);
      return systemLibc().syncFile(descriptor);
    },
    sync: async () => {
      events.push(`header, size word ${reader.header.load("sizeBytes")}`);
      return null;
    },
  });
  await open({ libc }).extend(2 * sizeBytes);
  expect(events).toEqual([`file, size word ${sizeBytes}`, `header, size word ${2 * sizeBytes}`]);
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
