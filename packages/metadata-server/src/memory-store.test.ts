// The store in memory: what every store promises, and the faults that it can be told to have.

import { Prng } from "@pdpm/base";
import { expect, test } from "vitest";
import { MemoryStore } from "./memory-store.ts";

const bytes = (value: number): Uint8Array => Uint8Array.of(value);
const none = new Map<string, number>();

test("a range is in byte order, from either end, without its end", async () => {
  const store = new MemoryStore();
  await store.commit(none, new Map(["b", "a\xff", "a", "c", "a\0"].map((key) => [key, bytes(1)])));
  const keys = async (limit: number, reverse = false): Promise<string[]> =>
    (await store.range({ start: "a", end: "c", limit, reverse })).map(({ key }) => key);
  expect(await keys(9)).toEqual(["a", "a\0", "a\xff", "b"]);
  expect(await keys(2)).toEqual(["a", "a\0"]);
  expect(await keys(2, true)).toEqual(["b", "a\xff"]);
  expect(await store.range({ start: "c", end: "a", limit: 9 })).toEqual([]);
});

test("a commit whose expected version is gone changes nothing", async () => {
  const store = new MemoryStore();
  await store.commit(none, new Map([["a", bytes(1)]]));
  const version = (await store.get("a"))?.version as number;
  expect(await store.commit(new Map([["a", version]]), new Map([["a", bytes(2)]]))).toBe(true);
  const writes = new Map([
    ["a", bytes(3)],
    ["b", bytes(3)],
  ] as const);
  expect(await store.commit(new Map([["a", version]]), writes)).toBe(false);
  expect(await store.commit(new Map([["a", 0]]), writes)).toBe(false);
  expect((await store.get("a"))?.value).toEqual(bytes(2));
  expect(await store.get("b")).toBeUndefined();
});

test("a record that was deleted and written again has another version", async () => {
  const store = new MemoryStore();
  const versions = new Set<number | undefined>();
  for (let life = 0; life < 3; life += 1) {
    await store.commit(none, new Map([["a", bytes(1)]]));
    versions.add((await store.get("a"))?.version);
    await store.commit(none, new Map([["a", undefined]]));
  }
  expect(versions.size).toBe(3);
  expect(await store.get("a")).toBeUndefined();
});

test("what was read or written is no part of the store", async () => {
  const store = new MemoryStore();
  const value = bytes(1);
  await store.commit(none, new Map([["a", value]]));
  value[0] = 9;
  const read = await store.get("a");
  if (read) read.value[0] = 9;
  expect((await store.get("a"))?.value).toEqual(bytes(1));
});

test("injected conflicts apply nothing, and come again with the same seed", async () => {
  const run = async (): Promise<string> => {
    const conflicts = { prng: new Prng("conflicts"), chance: 0.5 };
    const store = new MemoryStore({ conflicts });
    let trace = "";
    for (let i = 0; i < 40; i += 1) {
      const isDone = await store.commit(none, new Map([[`${i}`, bytes(i)]]));
      expect((await store.get(`${i}`)) !== undefined).toBe(isDone);
      trace += isDone ? "1" : "0";
    }
    return trace;
  };
  const trace = await run();
  expect(trace).toMatch(/01/);
  expect(await run()).toBe(trace);
});

test("a service that dies before a commit leaves nothing, after it everything", async () => {
  const die = (): void => {
    throw new Error("killed");
  };
  for (const [name, count] of [
    ["beforeCommit", 0],
    ["afterCommit", 1],
  ] as const) {
    const store = new MemoryStore({ [name]: die });
    await expect(store.commit(none, new Map([["a", bytes(1)]]))).rejects.toThrow("killed");
    expect(await store.range({ start: "a", end: "b", limit: 9 })).toHaveLength(count);
  }
});

test("a closed store says so", async () => {
  const store = new MemoryStore();
  await store.close();
  const closed = { code: "PDPM_CLOSED" };
  await expect(store.get("a")).rejects.toMatchObject(closed);
  await expect(store.range({ start: "a", end: "b", limit: 1 })).rejects.toMatchObject(closed);
  await expect(store.commit(none, new Map())).rejects.toMatchObject(closed);
});
