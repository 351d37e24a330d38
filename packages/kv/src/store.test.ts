// The store over a backend that the test scripts: what reaches the backend, and what callers get.

import { PdpmError } from "@pdpm/base";
import { describe, expect, test, vi } from "vitest";
import type { Backend, Found } from "./backend.ts";
import type { Codec } from "./codec.ts";
import { type Key, toKey, valueBytesMost } from "./key.ts";
import { Store } from "./store.ts";

const bytes: Codec<Uint8Array> = { name: "bytes", encode: (v) => v, decode: (v) => v };

const json: Codec<unknown> = {
  name: "json",
  encode: (value) => Buffer.from(JSON.stringify(value)),
  decode: (value) => JSON.parse(Buffer.from(value).toString()),
  numbers: {
    toNumber: (value) => (typeof value === "number" ? value : undefined),
    toValue: (number) => number,
  },
};

function found(text: string, version = 1): Found {
  return { value: Buffer.from(text), version };
}

/** A backend that answers `get` with `answer`, and notes its calls. */
function fakeBackend(answer: Found | undefined | Promise<Found | undefined>) {
  return {
    design: "fake",
    supports: { orderedKeys: false, serverless: true },
    get: vi.fn<Backend["get"]>(() => answer),
    put: vi.fn<Backend["put"]>(() => 7),
    delete: vi.fn<Backend["delete"]>(() => 7),
    keys: vi.fn<Backend["keys"]>(async function* () {
      yield ["a", "b", "c"].map(toKey);
      yield ["d"].map(toKey);
    }),
    stats: vi.fn<Backend["stats"]>(),
    counters: vi.fn<Backend["counters"]>(),
    close: vi.fn<Backend["close"]>(async () => {}),
  } satisfies Backend;
}

async function errorOf(work: Promise<unknown>): Promise<PdpmError> {
  const error = await work.catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(PdpmError);
  return error as PdpmError;
}

describe("limits", () => {
  test("calls without options share one object, with the store's timeout", async () => {
    const backend = fakeBackend(undefined);
    const store = new Store(backend, bytes, { timeoutMs: 123 });
    await store.get("k");
    await store.getEntry("k");
    await store.put("k", new Uint8Array(1));
    const [first, second] = backend.get.mock.calls.map(([, limits]) => limits);
    expect(first).toBe(second);
    expect(backend.put.mock.calls[0]?.[3]).toBe(first);
    expect(first).toEqual({ timeoutMs: 123, signal: undefined });
  });

  test("options of a call reach the backend, the rest stays the store's", async () => {
    const backend = fakeBackend(undefined);
    const store = new Store(backend, bytes);
    const { signal } = new AbortController();
    await store.get("k", { signal });
    await store.get("k", { timeoutMs: 7 });
    await store.put("k", new Uint8Array(1), { ifVersion: 3, timeoutMs: 8 });
    await store.delete("k", { ifVersion: 4 });
    expect(backend.get.mock.calls.map(([, limits]) => limits)).toEqual([
      { timeoutMs: 5000, signal },
      { timeoutMs: 7, signal: undefined },
    ]);
    expect(backend.put.mock.calls[0]?.slice(2)).toEqual([3, { timeoutMs: 8, signal: undefined }]);
    expect(backend.delete.mock.calls[0]?.[1]).toBe(4);
  });
});

describe("answers", () => {
  test("are the same whether the backend has them at once or later", async () => {
    for (const answer of [found("v", 3), Promise.resolve(found("v", 3))]) {
      const store = new Store(fakeBackend(answer), bytes);
      expect(Buffer.from((await store.get("k")) ?? []).toString()).toBe("v");
      expect((await store.getEntry("k"))?.version).toBe(3);
      expect(await store.has("k")).toBe(true);
    }
    for (const answer of [undefined, Promise.resolve(undefined)]) {
      const store = new Store(fakeBackend(answer), bytes);
      expect(await store.get("k")).toBeUndefined();
      expect(await store.getEntry("k")).toBeUndefined();
      expect(await store.has("k")).toBe(false);
    }
  });

  test("a value is decoded before the promise is handed out, when it is there at once", () => {
    const decode = vi.fn(json.decode);
    const store = new Store(fakeBackend(found("7")), { ...json, decode });
    void store.get("k");
    expect(decode).toHaveBeenCalledTimes(1);
  });

  test("what the backend throws at once becomes a rejection, as it is", async () => {
    const backend = fakeBackend(undefined);
    const error = new PdpmError("PDPM_CORRUPT", "broken");
    for (const method of [backend.get, backend.put, backend.delete]) {
      method.mockImplementation(() => {
        throw error;
      });
    }
    const store = new Store(backend, bytes);
    expect(await errorOf(store.get("k"))).toBe(error);
    expect(await errorOf(store.getEntry("k"))).toBe(error);
    expect(await errorOf(store.put("k", new Uint8Array(1)))).toBe(error);
    expect(await errorOf(store.delete("k"))).toBe(error);
  });
});

describe("codecs", () => {
  test("a value that the codec refuses never reaches the backend", async () => {
    const backend = fakeBackend(undefined);
    const circle: Record<string, unknown> = {};
    circle["circle"] = circle;
    const error = await errorOf(new Store(backend, json).put("k", circle));
    expect(error.code).toBe("PDPM_INVALID_ARGUMENT");
    expect(error.message).toContain("codec json");
    expect(error.cause).toBeInstanceOf(TypeError);
    expect(backend.put).not.toHaveBeenCalled();
  });

  test("a value that the codec cannot read is an error that names key and codec", async () => {
    for (const answer of [found("{"), Promise.resolve(found("{"))]) {
      const error = await errorOf(new Store(fakeBackend(answer), json).get("the key"));
      expect(error.code).toBe("PDPM_INVALID_ARGUMENT");
      expect(error.message).toContain('"the key"');
      expect(error.message).toContain("codec json");
    }
  });

  test("a codec that encodes as anything but bytes is refused", async () => {
    const wrong: Codec<unknown> = { ...json, encode: () => "text" as never };
    const error = await errorOf(new Store(fakeBackend(undefined), wrong).put("k", 1));
    expect(error.message).toContain("not as bytes");
  });

  test("the limit of a value counts its encoded bytes", async () => {
    const backend = fakeBackend(undefined);
    const store = new Store(backend, json);
    await store.put("k", "x".repeat(valueBytesMost - 2));
    const error = await errorOf(store.put("k", "x".repeat(valueBytesMost - 1)));
    expect(error.message).toContain(`${valueBytesMost + 1} bytes`);
    expect(error.message).toContain(`limit of ${valueBytesMost}`);
    expect(backend.put).toHaveBeenCalledTimes(1);
  });

  test("null is a value like any other, also for update", async () => {
    const store = new Store(fakeBackend(found("5", 2)), json);
    expect(await store.update("k", () => null)).toEqual({ value: null, version: 7 });
    expect(await store.update("k", () => undefined)).toEqual({ value: 5, version: 2 });
  });

  test("increment keeps numbers in the codec's form", async () => {
    const backend = fakeBackend(found("41", 2));
    const store = new Store(backend, json);
    expect(await store.increment("k")).toBe(42);
    expect(Buffer.from(backend.put.mock.calls[0]?.[1] ?? []).toString()).toBe("42");
    expect(backend.put.mock.calls[0]?.[2]).toBe(2);
    const text = await errorOf(new Store(fakeBackend(found('"41"')), json).increment("k"));
    expect(text.message).toContain('the value of "k" is no number');
    const none = await errorOf(new Store(fakeBackend(undefined), bytes).increment("k"));
    expect(none.message).toContain("codec bytes keeps no numbers");
  });
});

describe("iteration", () => {
  test("a limit of entries does not count keys whose value is gone", async () => {
    const backend = fakeBackend(undefined);
    backend.get.mockImplementation((key: Key) => (key === "b" ? undefined : found(key)));
    const keys: unknown[] = [];
    for await (const [key] of new Store(backend, bytes).entries({ limit: 3 })) keys.push(key);
    expect(keys).toEqual(["a", "c", "d"]);
  });

  test("pages are not asked for beyond the limit", async () => {
    const backend = fakeBackend(found("v"));
    let pages = 0;
    backend.keys.mockImplementation(async function* () {
      for (; ; pages += 1) yield [toKey(`key ${pages}`)];
    });
    const store = new Store(backend, bytes);
    const keys: unknown[] = [];
    for await (const key of store.keys({ limit: 3 })) keys.push(key);
    expect(keys).toEqual(["key 0", "key 1", "key 2"]);
    expect(pages).toBe(2);
  });

  test("an iteration that stands when the store is closed ends with PDPM_CLOSED", async () => {
    const store = new Store(fakeBackend(found("v")), bytes);
    const keys = store.keys();
    expect(await keys.next()).toEqual({ value: "a", done: false });
    await store.close();
    const rest = (async () => {
      for await (const _ of keys);
    })();
    expect((await errorOf(rest)).code).toBe("PDPM_CLOSED");
  });
});

describe("close", () => {
  test("closes the backend once, with the time that it has", async () => {
    const backend = fakeBackend(undefined);
    const store = new Store(backend, bytes, { timeoutMs: 123 });
    await Promise.all([store.close(), store.close({ timeoutMs: 7 }), store.close()]);
    expect(backend.close.mock.calls).toEqual([[123]]);
    const other = new Store(backend, bytes);
    await other.close({ timeoutMs: 7 });
    expect(backend.close.mock.calls).toEqual([[123], [7]]);
  });

  test("a backend that cannot close in good order says so to everybody who closes", async () => {
    const backend = fakeBackend(undefined);
    const error = new PdpmError("PDPM_POISONED", "flush failed");
    backend.close.mockImplementation(() => Promise.reject(error));
    const store = new Store(backend, bytes);
    expect(await errorOf(store.close())).toBe(error);
    expect(await errorOf(store.close())).toBe(error);
    expect(store.closed).toBe(true);
    expect((await errorOf(store.get("k"))).code).toBe("PDPM_CLOSED");
  });

  test("reaches no backend afterwards, nor does the next step of a running update", async () => {
    const backend = fakeBackend(Promise.resolve(found("v")));
    const store = new Store(backend, bytes);
    const update = errorOf(store.update("k", () => new Uint8Array(1)));
    await store.close();
    expect((await update).code).toBe("PDPM_CLOSED");
    expect(backend.put).not.toHaveBeenCalled();
  });
});
