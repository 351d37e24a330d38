// The store over real LMDB files: commits as a whole or not at all, between processes too, and what
// stands in the directory is believed only if it is this store's.

import { fork } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openLmdbStore } from "./lmdb-store.ts";
import type { TransactionalStore } from "./store.ts";

let path = "";
let store: TransactionalStore;

const opened = (storeId = 7n) => openLmdbStore({ path, durability: "process", storeId });
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (value: Uint8Array | undefined): string => new TextDecoder().decode(value);

beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), "pdpm-lmdb-"));
  store = await opened();
});

afterEach(async () => {
  await store.close();
  await rm(path, { recursive: true });
});

test("a commit is applied only while every expected version holds", async () => {
  expect(await store.commit(new Map([["a", 0]]), new Map([["a", bytes("1")]]))).toBe(true);
  expect(await store.commit(new Map([["a", 0]]), new Map([["a", bytes("2")]]))).toBe(false);
  const first = await store.get("a");
  expect(text(first?.value)).toBe("1");
  const expected = new Map([
    ["a", first?.version ?? 0],
    ["b", 5],
  ]);
  expect(await store.commit(expected, new Map([["a", bytes("3")]]))).toBe(false);
  expect(text((await store.get("a"))?.value)).toBe("1");
  expected.set("b", 0);
  const writes = new Map([
    ["a", bytes("3")],
    ["b", bytes("4")],
  ]);
  expect(await store.commit(expected, writes)).toBe(true);
  expect(text((await store.get("b"))?.value)).toBe("4");
});

test("a record that was deleted and made anew has another version", async () => {
  await store.commit(new Map([["a", 0]]), new Map([["a", bytes("1")]]));
  const first = await store.get("a");
  const version = first?.version ?? 0;
  expect(await store.commit(new Map([["a", version]]), new Map([["a", undefined]]))).toBe(true);
  expect(await store.get("a")).toBe(undefined);
  await store.commit(new Map([["a", 0]]), new Map([["a", bytes("1")]]));
  expect(await store.commit(new Map([["a", version]]), new Map([["a", bytes("2")]]))).toBe(false);
});

test("ranges go from start to before end, both ways, by byte", async () => {
  for (const key of ["r/\u0000", "r/a", "r/b", "r/\u00ff", "s"]) {
    await store.commit(new Map([[key, 0]]), new Map([[key, bytes(key)]]));
  }
  const keys = async (reverse: boolean, limit: number, end = "r0"): Promise<string[]> =>
    (await store.range({ start: "r/", end, limit, reverse })).map(({ key }) => key);
  expect(await keys(false, 10)).toEqual(["r/\u0000", "r/a", "r/b", "r/\u00ff"]);
  expect(await keys(true, 2)).toEqual(["r/\u00ff", "r/b"]);
  expect(await keys(true, 9, "r/b")).toEqual(["r/a", "r/\u0000"]);
});

test("a value does not change under its reader when the record is written again", async () => {
  await store.commit(new Map([["a", 0]]), new Map([["a", bytes("before")]]));
  const record = await store.get("a");
  for (let i = 0; i < 50; i += 1) {
    const version = (await store.get("a"))?.version ?? 0;
    await store.commit(new Map([["a", version]]), new Map([["a", bytes(`after ${i}`)]]));
  }
  expect(text(record?.value)).toBe("before");
});

test("another store's directory is refused, and an unwritable one", async () => {
  await expect(opened(8n)).rejects.toMatchObject({ code: "PDPM_WRONG_STORE" });
  await expect(
    openLmdbStore({ path: "/proc/nowhere", durability: "process", storeId: 1n }),
  ).rejects.toMatchObject({ code: "PDPM_UNAVAILABLE" });
});

test("a newer format is refused, with what it needs", async () => {
  const version = (await store.get("format"))?.version ?? 0;
  const newer = bytes("2 0000000000000007");
  expect(await store.commit(new Map([["format", version]]), new Map([["format", newer]]))).toBe(
    true,
  );
  await expect(opened()).rejects.toMatchObject({ code: "PDPM_WRONG_STORE" });
  await expect(opened()).rejects.toThrow(/newer pdpm/);
});

test("a closed store says so", async () => {
  await store.close();
  await expect(store.get("a")).rejects.toMatchObject({ code: "PDPM_CLOSED" });
});

test("increments of three processes over several records are exact", async () => {
  const script = join(import.meta.dirname, "lmdb-increments.fixture.mjs");
  const rounds = 150;
  const exits = await Promise.all(
    [1, 2, 3].map(
      () =>
        new Promise<number | null>((resolve) => {
          const child = fork(script, [path, String(rounds)], { execArgv: [] });
          child.once("exit", resolve);
        }),
    ),
  );
  expect(exits).toEqual([0, 0, 0]);
  for (const key of ["count/a", "count/b", "count/c"]) {
    expect(Number(text((await store.get(key))?.value))).toBe(3 * rounds);
  }
});
