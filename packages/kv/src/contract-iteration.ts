// Contract: an iteration meets every key that is present throughout exactly once, whatever else
// comes and goes meanwhile; prefixes are compared on bytes.

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

function hex(key: string | Uint8Array): string {
  return Buffer.from(key as string).toString("hex");
}

/** keys and entries. */
export function iterationChapter(use: UseFixture): void {
  test("an empty store has no keys", async () => {
    const { store } = use();
    expect(await listed(store.keys())).toEqual([]);
    expect(await listed(store.entries())).toEqual([]);
  });

  test("every key comes once, in byte order if so promised, whoever wrote it", async () => {
    const { store } = use();
    const other = await use().another();
    const names = Array.from({ length: 300 }, (_, i) => `key ${i}`);
    for (const [i, key] of names.entries()) {
      await (i % 2 === 0 ? store : other).put(key, sample(i));
    }
    const keys = (await listed(store.keys())) as string[];
    expect([...keys].sort()).toEqual([...names].sort());
    if (store.supports.orderedKeys) expect(keys).toEqual([...names].sort());
  });

  test("a deleted key comes no more, one made anew comes once", async () => {
    const { store } = use();
    for (const key of ["a", "b", "c"]) await store.put(key, bytes(key));
    await store.delete("b");
    expect((await listed(store.keys())).sort()).toEqual(["a", "c"]);
    await store.put("b", sample(5000));
    await store.put("a", sample(50_000));
    expect((await listed(store.keys())).sort()).toEqual(["a", "b", "c"]);
  });

  test("keys come as text where they are UTF-8, else as bytes", async () => {
    const { store } = use();
    await store.put("\u00e9\u{1f600}", bytes("1"));
    await store.put(bytes("\ufeffmark"), bytes("2"));
    await store.put(Uint8Array.of(0xff, 0x00, 0xc3), bytes("3"));
    const keys = await listed(store.keys());
    expect(keys.filter((key) => typeof key === "string").sort()).toEqual([
      "\u00e9\u{1f600}",
      "\ufeffmark",
    ]);
    const [raw] = keys.filter((key) => typeof key !== "string");
    expectSame(raw, Uint8Array.of(0xff, 0x00, 0xc3));
    expect(text(await store.get(raw as Uint8Array))).toBe("3");
  });

  test("a prefix chooses by bytes, as text and as bytes", async () => {
    const { store } = use();
    const keys = ["a", "ab", "abc", "b", "\u00e9a", "\u00e9b"];
    for (const key of keys) await store.put(key, bytes("v"));
    await store.put(Uint8Array.of(0x61, 0xff), bytes("v"));
    await store.put(Uint8Array.of(0xc3), bytes("v"));
    const begins = async (prefix: string | Uint8Array): Promise<string[]> =>
      (await listed(store.keys({ prefix }))).map(hex).sort();
    expect(await begins("a")).toEqual(["61", "6162", "616263", "61ff"]);
    expect(await begins("ab")).toEqual(["6162", "616263"]);
    expect(await begins("\u00e9")).toEqual(["c3a961", "c3a962"]);
    // Half a character.
    expect(await begins(Uint8Array.of(0xc3))).toEqual(["c3", "c3a961", "c3a962"]);
    expect(await begins(bytes("ab"))).toEqual(["6162", "616263"]);
    expect(await begins("none")).toEqual([]);
    expect((await begins("")).length).toBe(8);
  });

  test("a limit ends an iteration early, over keys that pass the prefix", async () => {
    const { store } = use();
    for (let i = 0; i < 100; i += 1) await store.put(`${i % 2 ? "odd" : "even"} ${i}`, sample(3));
    expect((await listed(store.keys({ limit: 7 }))).length).toBe(7);
    expect(await listed(store.keys({ limit: 0 }))).toEqual([]);
    const odd = (await listed(store.keys({ prefix: "odd", limit: 30 }))) as string[];
    expect(odd.length).toBe(30);
    expect(odd.every((key) => key.startsWith("odd "))).toBe(true);
    expect((await listed(store.entries({ prefix: "odd", limit: 30 }))).length).toBe(30);
    expect((await listed(store.entries({ prefix: "odd", limit: 60 }))).length).toBe(50);
  });

  test("entries come with their values", async () => {
    const { store } = use();
    for (let i = 0; i < 150; i += 1) await store.put(`key ${i}`, sample(i, i));
    const entries = await listed(store.entries());
    expect(entries.length).toBe(150);
    for (const [key, value] of entries) {
      const i = Number((key as string).slice(4));
      expectSame(value, sample(i, i));
    }
  });

  test("leaving an iteration early is fine", async () => {
    const { store } = use();
    for (let i = 0; i < 100; i += 1) await store.put(`key ${i}`, sample(3));
    for await (const key of store.keys()) {
      expect(typeof key).toBe("string");
      break;
    }
    for await (const [key] of store.entries()) {
      expect(typeof key).toBe("string");
      break;
    }
    expect((await listed(store.keys())).length).toBe(100);
  });

  test("keys that stay come exactly once while another client inserts and deletes", async () => {
    const { store } = use();
    const other = await use().another();
    const staying = Array.from({ length: 200 }, (_, i) => `stays ${i}`);
    for (const key of staying) await store.put(key, sample(30));
    for (let i = 0; i < 100; i += 1) await store.put(`goes ${i}`, sample(30));
    let isIterating = true;
    const churn = (async () => {
      for (let i = 0; isIterating && i < 5000; i += 1) {
        await other.delete(`goes ${i % 100}`);
        await other.put(`comes ${i}`, sample(30));
        await other.put(staying[i % 200] as string, sample(30 + (i % 3) * 500));
        if (i % 2 === 0) await other.delete(`comes ${i}`);
      }
    })();
    try {
      for (let turn = 0; turn < 3; turn += 1) {
        const keys = (await listed(store.keys())) as string[];
        const met = keys.filter((key) => key.startsWith("stays "));
        expect(met.sort()).toEqual([...staying].sort());
        const entries = await listed(store.entries({ prefix: "stays " }));
        expect(entries.map(([key]) => key).sort()).toEqual([...staying].sort());
      }
    } finally {
      isIterating = false;
      await churn;
    }
  });

  test("options of an iteration are checked", async () => {
    const { store } = use();
    await store.put("k", bytes("v"));
    for (const options of [{ limit: -1 }, { limit: 1.5 }, { prefix: 7 }, { prefixes: "a" }, null]) {
      await failureOf(listed(store.keys(options as never)), "PDPM_INVALID_ARGUMENT");
      await failureOf(listed(store.entries(options as never)), "PDPM_INVALID_ARGUMENT");
    }
  });
}
