// Growing a region: the order of its steps, and what a full disk leaves.

import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@pdpm/base";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FileLock } from "./file-lock.ts";
import { type Libc, systemLibc } from "./libc.ts";
import { MappedRegion, type MappedRegionOptions } from "./mapped-region.ts";
import { createRegionFile } from "./region-file.ts";

const sizeBytes = 2 ** 20;
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
  // The first opening of a process unmaps the memory of the self-test.
  events.length = 0;
  const growth = region.extend(2 * sizeBytes);
  while (events.length === 0) await new Promise(setImmediate);
  const closing = region.close();
  await new Promise(setImmediate);
  finish();
  await Promise.all([growth.then(() => events.push("grown")), closing]);
  expect(events).toEqual(["growing", "grown", "unmapped"]);
  expect(open().sizeBytes).toBe(2 * sizeBytes);
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

test("openings that grow the region at once all get their space", async () => {
  const regions = [open(), open(), open()];
  const sizes = [2 * sizeBytes, 2 * sizeBytes, 2 * sizeBytes - 4096];
  await Promise.all(regions.map((region, index) => region.extend(sizes[index] as number)));
  expect(regions.map((region) => region.sizeBytes)).toEqual(Array(3).fill(2 * sizeBytes));
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
