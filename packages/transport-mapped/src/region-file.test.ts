// Making and opening region.pm: all at once, by one winner, and nothing broken is opened.

import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checksum64 } from "@pdpm/layout/checksum";
import { headerWordOffset, regionHeaderBytes } from "@pdpm/layout/region-header";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Libc, systemLibc } from "./libc.ts";
import { PrivateFile } from "./private-file.ts";
import { createRegionFile, openRegionFile, type RegionFileOptions } from "./region-file.ts";

const sizeBytes = 2 ** 20;
let parent: string;
let directory: string;
let path: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), "pdpm-region-"));
  directory = join(parent, "deep", "store");
  path = join(directory, "region.pm");
});
afterEach(() => rmSync(parent, { recursive: true }));

/** Opens and closes again; gives what was read. */
function open(options: RegionFileOptions = {}): { regionId: string; sizeBytes: number } {
  const file = openRegionFile(directory, options);
  file.windows.unmap();
  closeSync(file.descriptor);
  return file.header;
}

function codeOf(work: () => unknown): string {
  try {
    work();
    return "nothing";
  } catch (error) {
    return (error as { code: string }).code;
  }
}

/** Changes the file with ordinary writes, which nothing but a test does. */
function damage(change: (bytes: Uint8Array) => void): void {
  const bytes = readFileSync(path);
  change(bytes);
  writeFileSync(path, bytes);
}

function real(overrides: Partial<Libc>): Libc {
  return new Proxy(systemLibc(), {
    get(target, name) {
      const changed = overrides[name as keyof Libc];
      return changed ?? (target[name as keyof Libc] as () => unknown).bind(target);
    },
  });
}

test("a new file has its whole size reserved, is private, and opens", async () => {
  expect(await createRegionFile(directory, sizeBytes)).toBe(true);
  const { blocks, mode, size } = statSync(path);
  expect(size).toBe(sizeBytes);
  expect(blocks * 512).toBeGreaterThanOrEqual(sizeBytes);
  expect(mode & 0o777).toBe(0o600);
  expect(statSync(directory).mode & 0o777).toBe(0o700);
  expect(readdirSync(directory)).toEqual(["region.pm"]);
  const header = open();
  expect(header.sizeBytes).toBe(sizeBytes);
  expect(header.regionId).toMatch(/^[0-9a-f]{32}$/);
});

test("of many creators exactly one wins, and the file is the winner's", async () => {
  const won = await Promise.all(
    Array.from({ length: 8 }, (_, index) => createRegionFile(directory, sizeBytes + index * 4096)),
  );
  expect(won.filter((one) => one)).toEqual([true]);
  expect(open().sizeBytes).toBe(sizeBytes + won.indexOf(true) * 4096);
  expect(readdirSync(directory)).toEqual(["region.pm"]);
  const { regionId } = open();
  expect(await createRegionFile(directory, sizeBytes)).toBe(false);
  expect(open().regionId).toBe(regionId);
});

test("the file, its name and its directory's name are made durable", async () => {
  const synced: string[] = [];
  const listed = (): string => String(existsSync(path));
  const libc = real({
    syncFile: async () => {
      synced.push(`file, listed ${listed()}`);
      return null;
    },
    syncDirectory: (name) => synced.push(`${name}, listed ${listed()}`),
  });
  await createRegionFile(directory, sizeBytes, { libc });
  open({ libc });
  expect(synced).toEqual([
    `${parent}, listed false`,
    "file, listed false",
    `${directory}, listed true`,
    `${directory}, listed true`,
  ]);
});

test("a refused file leaves no descriptor and no mapping behind", async () => {
  const held = (): [number, number] => [
    readdirSync("/proc/self/fd").length,
    readFileSync("/proc/self/maps", "utf8").split(path).length,
  ];
  await createRegionFile(directory, sizeBytes);
  damage((bytes) => bytes.fill(1, 0, 8));
  const before = held();
  for (let tries = 0; tries < 5; tries += 1) expect(codeOf(open)).toBe("PDPM_CORRUPT");
  expect(held()).toEqual(before);
});

test("the file is listed only when its header and its space are there", async () => {
  const seen: string[][] = [];
  const libc = real({
    allocate: async (descriptor, offset, bytes) => {
      seen.push(readdirSync(directory).filter((name) => !name.startsWith(".")));
      return systemLibc().allocate(descriptor, offset, bytes);
    },
  });
  await createRegionFile(directory, sizeBytes, { libc });
  expect(seen).toEqual([[]]);
});

test("what a dead creator left is swept, what a living one works on is not", async () => {
  await createRegionFile(directory, sizeBytes);
  const living = PrivateFile.make(systemLibc(), directory, "region");
  const dead = join(directory, ".region-1-00");
  writeFileSync(dead, new Uint8Array(4096));
  await createRegionFile(directory, sizeBytes);
  expect(readdirSync(directory).sort()).toEqual([living.path.split("/").at(-1), "region.pm"]);
  living.discard();
});

test("a full disk and a remote file system leave no file behind", async () => {
  const full = real({ allocate: async () => ({ errno: 28, text: "no room" }) });
  await expect(createRegionFile(directory, sizeBytes, { libc: full })).rejects.toMatchObject({
    code: "PDPM_NO_SPACE",
  });
  const nfs = createRegionFile(directory, sizeBytes, { fileSystemType: () => 0x6969 });
  await expect(nfs).rejects.toMatchObject({ code: "PDPM_UNSUPPORTED" });
  expect(readdirSync(directory)).toEqual([]);
  await createRegionFile(directory, sizeBytes);
  expect(codeOf(() => open({ fileSystemType: () => 0x6969 }))).toBe("PDPM_UNSUPPORTED");
  await expect(createRegionFile(directory, 5000)).rejects.toMatchObject({
    code: "PDPM_INVALID_ARGUMENT",
  });
});

test("every byte of the identity, flipped, makes the file corrupt", async () => {
  await createRegionFile(directory, regionHeaderBytes);
  const intact = readFileSync(path);
  for (let offset = 0; offset < 64; offset += 1) {
    damage((bytes) => {
      bytes[offset] = (bytes[offset] as number) ^ 0xff;
    });
    expect(codeOf(open), `byte ${offset}`).toBe("PDPM_CORRUPT");
    writeFileSync(path, intact);
  }
  expect(codeOf(open)).toBe("nothing");
});

test("a truncated file is corrupt and is not touched where it ends", async () => {
  await createRegionFile(directory, sizeBytes);
  for (const left of [sizeBytes - 1, 8192, 4096, 4095, 64, 0]) {
    const descriptor = openSync(path, "r+");
    ftruncateSync(descriptor, left);
    closeSync(descriptor);
    expect(codeOf(open), `${left} bytes`).toBe("PDPM_CORRUPT");
  }
});

test("a newer format is another store's, with the advice to use a newer pdpm", async () => {
  await createRegionFile(directory, sizeBytes);
  damage((bytes) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    view.setUint32(8, 2, true);
    view.setBigUint64(56, checksum64(bytes.subarray(0, 56)), true);
  });
  expect(codeOf(open)).toBe("PDPM_WRONG_STORE");
  expect(open).toThrow(/needs a newer pdpm/);
});

test("a missing file is the caller's mistake, and a directory is not opened", async () => {
  expect(codeOf(open)).toBe("PDPM_INVALID_ARGUMENT");
  await createRegionFile(join(directory, "region.pm"), sizeBytes);
  expect(codeOf(open)).toBe("PDPM_UNAVAILABLE");
});

test("a region that grows while it is opened is not taken for truncated", async () => {
  await createRegionFile(directory, sizeBytes);
  // The moment between looking at the file's length and reading its header is the first mmap.
  const libc = real({
    map: (descriptor, offset, bytes, synchronous) => {
      const address = systemLibc().map(descriptor, offset, bytes, synchronous);
      if (address === null) return null;
      ftruncateSync(descriptor, 2 * sizeBytes);
      const words = new BigInt64Array(systemLibc().view(address, 4096));
      words[headerWordOffset.sizeBytes / 8] = BigInt(2 * sizeBytes);
      return address;
    },
  });
  expect(open({ libc }).sizeBytes).toBe(2 * sizeBytes);
});
