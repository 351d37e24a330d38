// Contract: a caller may leave before an operation ends and is told truly what became of it;
// options are checked; after close nothing answers any more; what was done is counted.

import { isPdpmError } from "@pdpm/base";
import { expect, test } from "vitest";
import {
  bytes,
  expectSame,
  failureOf,
  listed,
  sample,
  text,
  type UseFixture,
} from "./contract-fixture.ts";
import type { Store } from "./store.ts";

/** Every method of a store, called once with arguments that are fine. */
function everyMethod(store: Store<Uint8Array>, options?: object): Record<string, Promise<unknown>> {
  return {
    get: store.get("k", options),
    getEntry: store.getEntry("k", options),
    has: store.has("k", options),
    put: store.put("k", bytes("new"), options),
    delete: store.delete("k", options),
    update: store.update("k", () => bytes("new"), options),
    increment: store.increment("n", 1, options),
    getMany: store.getMany(["k"], options),
    putMany: store.putMany([["k", bytes("new")]], options),
    deleteMany: store.deleteMany(["k"], options),
    getInto: store.getInto("k", new Uint8Array(8), options),
    getManyInto: store.getManyInto(["k"], [new Uint8Array(8)], options),
    keys: listed(store.keys(options)),
    entries: listed(store.entries(options)),
  };
}

async function everyMethodFails(
  methods: Record<string, Promise<unknown>>,
  code: "PDPM_ABORTED" | "PDPM_CLOSED" | "PDPM_INVALID_ARGUMENT",
  about = "",
): Promise<void> {
  for (const work of Object.values(methods)) work.catch(() => {});
  for (const work of Object.values(methods)) {
    expect((await failureOf(work, code)).message).toContain(about);
  }
}

/** Deadlines, aborts, options, closing, counters. */
export function lifeChapter(use: UseFixture): void {
  test("a signal that fired before keeps every operation from happening", async () => {
    const { store } = use();
    await store.put("k", bytes("old"));
    const signal = AbortSignal.abort(new Error("mine"));
    await everyMethodFails(everyMethod(store, { signal }), "PDPM_ABORTED");
    expect(text(await store.get("k"))).toBe("old");
    expect(await store.has("n")).toBe(false);
    const error = await failureOf(store.get("k", { signal }), "PDPM_ABORTED");
    expect(error.cause).toBe(signal.reason);
  });

  test("a signal that fires on the way: what is told not-applied never happens", async () => {
    const { store } = use();
    const names = Array.from({ length: 200 }, (_, i) => `key ${i}`);
    for (const key of names) await store.put(key, bytes("old"));
    const controller = new AbortController();
    const { signal } = controller;
    const puts = names.map((key) => store.put(key, bytes("new"), { signal }));
    await Promise.resolve();
    controller.abort();
    const ends = await Promise.allSettled(puts);
    // The next write of each key waits for what is still being cleaned up.
    await Promise.all(names.map((key) => store.put(`${key} after`, bytes("v"))));
    for (const [i, end] of ends.entries()) {
      const value = text(await store.get(names[i] as string));
      if (end.status === "fulfilled") expect(value).toBe("new");
      else if (!isPdpmError(end.reason)) throw end.reason;
      else {
        expect(end.reason.code).toBe("PDPM_ABORTED");
        if (end.reason.outcome === "not-applied") expect(value).toBe("old");
        else expect(["old", "new"]).toContain(value);
      }
    }
    for (const key of names) await store.put(key, bytes("later"));
    for (const key of names) expect(text(await store.get(key))).toBe("later");
  });

  test("writers of one key that stay are served when others leave", async () => {
    const { store } = use();
    const controller = new AbortController();
    const { signal } = controller;
    const puts = Array.from({ length: 40 }, (_, i) =>
      store.put("k", bytes(`${i}`), i % 2 === 0 ? { signal } : {}),
    );
    controller.abort();
    const ends = await Promise.allSettled(puts);
    const stayed = ends.filter((_, i) => i % 2 === 1);
    expect(stayed.every(({ status }) => status === "fulfilled")).toBe(true);
    expect(text(await store.get("k"))).toBe("39");
  });

  test("an iteration ends when its signal fires", async () => {
    const { store } = use();
    for (let i = 0; i < 200; i += 1) await store.put(`key ${i}`, sample(5));
    const controller = new AbortController();
    const run = (async () => {
      let count = 0;
      for await (const _ of store.keys({ signal: controller.signal })) {
        count += 1;
        controller.abort();
      }
      return count;
    })();
    // All keys may stand in one page: then there is nothing left to end.
    const end = await run.catch((error: unknown) => error);
    if (typeof end === "number") expect(end).toBe(200);
    else await failureOf(Promise.reject(end), "PDPM_ABORTED");
  });

  test("a timeout that is none is refused by every method", async () => {
    const { store } = use();
    for (const timeoutMs of [-1, Number.NaN, "5", null]) {
      await everyMethodFails(
        everyMethod(store, { timeoutMs }),
        "PDPM_INVALID_ARGUMENT",
        "timeoutMs",
      );
    }
    await failureOf(store.close({ timeoutMs: -1 }), "PDPM_INVALID_ARGUMENT");
    expect(store.closed).toBe(false);
    expect(await store.get("k", { timeoutMs: Infinity })).toBeUndefined();
    expect(await store.get("k", { timeoutMs: undefined })).toBeUndefined();
  });

  test("an unknown option and a wrong signal are refused by every method", async () => {
    const { store } = use();
    await everyMethodFails(
      everyMethod(store, { timeout: 5 }),
      "PDPM_INVALID_ARGUMENT",
      '"timeout"',
    );
    await everyMethodFails(everyMethod(store, { signal: {} }), "PDPM_INVALID_ARGUMENT", "signal");
    await everyMethodFails(everyMethod(store, []), "PDPM_INVALID_ARGUMENT", "options");
    await failureOf(store.get("k", { ifVersion: 1 } as never), "PDPM_INVALID_ARGUMENT");
  });

  test("after close every method rejects, and closing again is fine", async () => {
    const other = await use().another();
    await other.put("k", bytes("v"));
    expect(other.closed).toBe(false);
    await Promise.all([other.close(), other.close()]);
    await other.close({ timeoutMs: 100 });
    expect(other.closed).toBe(true);
    await everyMethodFails(everyMethod(other), "PDPM_CLOSED");
    await failureOf(other.getMany([]), "PDPM_CLOSED");
    await failureOf(other.putMany([]), "PDPM_CLOSED");
    await failureOf(other.stats(), "PDPM_CLOSED");
    expect(text(await use().store.get("k"))).toBe("v");
  });

  test("close lets running operations end, and tells them truly", async () => {
    const other = await use().another();
    const puts = Array.from({ length: 50 }, (_, i) => other.put(`key ${i}`, sample(100, i)));
    await other.close();
    const ends = await Promise.allSettled(puts);
    for (const [i, end] of ends.entries()) {
      const found = await use().store.get(`key ${i}`);
      if (end.status === "fulfilled") expectSame(found, sample(100, i));
      else if (!isPdpmError(end.reason)) throw end.reason;
      else if (end.reason.outcome === "not-applied") expect(found).toBeUndefined();
    }
  });

  test("a store disposes of itself", async () => {
    const other = await use().another();
    await other[Symbol.asyncDispose]();
    expect(other.closed).toBe(true);
  });

  test("stats count this client's operations, and the space of the whole store", async () => {
    const { store } = use();
    const before = (await store.stats()).space;
    for (let i = 0; i < 3; i += 1) await store.put(`key ${i}`, sample(100));
    for (let i = 0; i < 5; i += 1) await store.get(`key ${i}`);
    await store.delete("key 0");
    const stats = await store.stats();
    expect(stats.design).toBe(store.design);
    expect(stats.operations["put"]?.operations).toBe(3);
    expect(stats.operations["get"]?.operations).toBe(5);
    expect(stats.operations["delete"]?.operations).toBe(1);
    for (const count of [...Object.values(stats.space), ...Object.values(stats.events)]) {
      expect(Number.isSafeInteger(count) && count >= 0).toBe(true);
    }
    expect(stats.space.bytesLive).toBeGreaterThanOrEqual(before.bytesLive + 200);
    const other = await use().another();
    const others = await other.stats();
    expect(others.clientId).not.toBe(stats.clientId);
    expect(others.operations["put"]?.operations ?? 0).toBe(0);
  });
  test("counters are there at once, agree with the stats, and outlive the client", async () => {
    const other = await use().another();
    await other.put("k", bytes("v"));
    await other.get("k");
    const { operations } = await other.stats();
    expect(other.counters().operations["put"]).toEqual(operations["put"]);
    expect(other.counters().operations["get"]).toEqual(operations["get"]);
    await other.close();
    expect(other.counters().operations["put"]?.operations).toBe(1);
  });
}
