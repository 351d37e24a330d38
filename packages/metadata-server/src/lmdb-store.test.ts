// What is peculiar to the store over LMDB: what it believes of a directory, what it says when that
// is damaged or full, and what of a call it takes in at once. The rest is the store contract's.

import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { soleGate } from "./contract-gate.ts";
import { keyEncoder } from "./lmdb-commit.ts";
import { openLmdbStore } from "./lmdb-store.ts";
import type { TransactionalStore } from "./store.ts";

let path = "";
const stores: TransactionalStore[] = [];

const opened = async (options: object = {}): Promise<TransactionalStore> => {
  const given = { path, durability: "process", storeId: 7n, mayCreate: true } as const;
  const store = await openLmdbStore({ ...given, gate: soleGate, ...options });
  stores.push(store);
  return store;
};
const closeAll = async (): Promise<void> => {
  for (const store of stores.splice(0)) await store.close();
};
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (value: Uint8Array | undefined): string => new TextDecoder().decode(value);
const none = new Map<string, number>();

beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), "pdpm-lmdb-"));
});

afterEach(async () => {
  await closeAll();
  rmSync(path, { recursive: true });
});

test("another store's directory is refused, and an unwritable one", async () => {
  await opened();
  await expect(opened({ storeId: 8n })).rejects.toMatchObject({ code: "PDPM_WRONG_STORE" });
  await expect(opened({ path: "/proc/nowhere" })).rejects.toMatchObject({
    code: "PDPM_UNAVAILABLE",
    outcome: "not-applied",
  });
});

test("a newer format is refused, with what it needs, and a damaged format record", async () => {
  const store = await opened();
  const setFormat = async (value: string): Promise<void> => {
    expect(await store.commit(none, new Map([["format", bytes(value)]]))).toBe(true);
  };
  await setFormat("2 0000000000000007");
  await expect(opened()).rejects.toMatchObject({ code: "PDPM_WRONG_STORE" });
  await expect(opened()).rejects.toThrow(/newer pdpm/);
  await setFormat("damaged");
  await expect(opened()).rejects.toMatchObject({ code: "PDPM_CORRUPT" });
});

test("metadata that must be there is not made anew, and not when its file was emptied", async () => {
  const must = { mayCreate: false };
  await expect(opened(must)).rejects.toMatchObject({ code: "PDPM_WRONG_STORE" });
  await opened();
  await opened(must);
  await closeAll();
  truncateSync(join(path, "data.mdb"), 0);
  await expect(opened(must)).rejects.toThrow(/no metadata .* lost/);
});

test("a file that would end the process is PDPM_CORRUPT, and stays as it is", async () => {
  const store = await opened();
  for (let i = 0; i < 20; i += 1) {
    const writes = Array.from({ length: 50 }, (_, j) => [`k/${i}/${j}`, bytes("v".repeat(200))]);
    await store.commit(none, new Map(writes as [string, Uint8Array][]));
  }
  await closeAll();
  const file = join(path, "data.mdb");
  const sound = readFileSync(file);
  const damaged = {
    "no LMDB file": Buffer.alloc(sound.length, 0xa5),
    "beginning is missing": sound.subarray(0, 100),
    "second page missing": sound.subarray(0, 4096),
    "cut off at 8192": sound.subarray(0, 8192),
    "cut off in the middle": sound.subarray(0, sound.length >> 1),
  };
  for (const damage of Object.values(damaged)) {
    writeFileSync(file, damage);
    await expect(opened()).rejects.toMatchObject({ code: "PDPM_CORRUPT" });
    await expect(opened()).rejects.toThrow(/restore .* from a copy/);
    expect(readFileSync(file).equals(damage)).toBe(true);
  }
  writeFileSync(file, sound);
  expect(text((await (await opened()).get("k/3/7"))?.value)).toBe("v".repeat(200));
});

test("damage inside is PDPM_CORRUPT when a commit meets it", async () => {
  await opened();
  await closeAll();
  const file = join(path, "data.mdb");
  const content = readFileSync(file);
  writeFileSync(file, content.fill(0xa5, 8192));
  await expect(opened()).rejects.toMatchObject({ code: "PDPM_CORRUPT" });
});

test("the lock file has all its bytes before LMDB sees it, and is never replaced", async () => {
  await opened();
  const { size, blocks, ino } = statSync(join(path, "lock.mdb"));
  expect(blocks * 512).toBeGreaterThanOrEqual(size);
  await closeAll();
  await opened();
  expect(statSync(join(path, "lock.mdb")).ino).toBe(ino);
});

test("a commit takes its values in at once", async () => {
  const store = await opened();
  const value = bytes("before".repeat(20));
  const done = store.commit(none, new Map([["a", value]]));
  value.fill(0);
  await done;
  expect(text((await store.get("a"))?.value)).toBe("before".repeat(20));
});

test("a key that LMDB could not carry is a defect of ours, and nothing of its commit happens", async () => {
  const store = await opened();
  for (const key of ["", "k".repeat(1101), "\u0141", "\0gate/0"]) {
    const writes = new Map([
      ["good", bytes("1")],
      [key, bytes("1")],
    ]);
    await expect(store.commit(none, writes)).rejects.toThrow(/key/);
    await expect(store.commit(new Map([[key, 0]]), new Map())).rejects.toThrow(/key/);
    await expect(store.get(key)).rejects.toThrow(/key/);
    expect(await store.get("good")).toBeUndefined();
  }
});

test("a key is a byte per character, and one that does not fit is refused as lmdb wants it", () => {
  const to = Buffer.alloc(5);
  expect(keyEncoder.writeKey("\xff\0a", to, 2)).toBe(5);
  expect([...to]).toEqual([0, 0, 255, 0, 97]);
  expect(keyEncoder.readKey(to, 2, 5)).toBe("\xff\0a");
  expect(() => keyEncoder.writeKey("abc", to, 3)).toThrow(RangeError);
});

test("a store that was opened twice in one process stays whole when one is closed", async () => {
  const one = await opened();
  const other = await opened();
  await one.commit(none, new Map([["a", bytes("1")]]));
  await one.close();
  expect(text((await other.get("a"))?.value)).toBe("1");
  expect(await other.commit(none, new Map([["a", bytes("2")]]))).toBe(true);
  expect(text((await (await opened()).get("a"))?.value)).toBe("2");
});

test("a directory whose parent is missing is not made", async () => {
  const deep = join(path, "no", "such");
  await expect(opened({ path: deep })).rejects.toMatchObject({ code: "PDPM_UNAVAILABLE" });
  mkdirSync(join(path, "no"));
  await opened({ path: deep });
});
