// The suite that every transactional store passes: LMDB, and the one in memory. The service cannot
// tell them apart as long as this holds.

import { Prng } from "@pdpm/base";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { KeyedRecord, StoreKey, TransactionalStore } from "./store.ts";

/** What `setup` hands to the suite, fresh and empty for every test. */
export interface StoreUnderTest {
  readonly store: TransactionalStore;
  /** A second way to the same records, if this kind can have one. The suite closes it. */
  another?(): Promise<TransactionalStore>;
  /** Frees what is behind the store. Called after it was closed. */
  dispose(): Promise<void>;
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (value: Uint8Array | undefined): string | undefined =>
  value && new TextDecoder().decode(value);

/** The most conditions of one commit that the service makes, by far. */
const manyCounts = [600, 5000];

/** Declares the suite under the heading `name`. */
export function storeContract(name: string, setup: () => Promise<StoreUnderTest>): void {
  describe(`${name} keeps the store contract`, () => {
    let under: StoreUnderTest;
    let store: TransactionalStore;
    beforeEach(async () => {
      under = await setup();
      store = under.store;
    });
    afterEach(async () => {
      await store.close();
      await under.dispose();
    });

    const versionOf = async (key: StoreKey): Promise<number> =>
      (await store.get(key))?.version ?? 0;
    const textAt = async (key: StoreKey): Promise<string | undefined> =>
      textOf((await store.get(key))?.value);
    const write = async (entries: Record<StoreKey, string | undefined>): Promise<void> => {
      const writes = Object.entries(entries).map(
        ([key, value]) => [key, value === undefined ? undefined : bytes(value)] as const,
      );
      expect(await store.commit(new Map(), new Map(writes))).toBe(true);
    };

    test("a commit is applied as a whole, only while every expected version holds", async () => {
      await write({ a: "1", b: "1", c: "1" });
      const held = new Map<string, number>([["d", 0]]);
      for (const key of ["a", "b", "c"]) held.set(key, await versionOf(key));
      const writes = new Map(["a", "b", "c", "d"].map((key) => [key, bytes("2")]));
      for (const key of held.keys()) {
        for (const wrong of [key === "d" ? 7 : 0, (held.get(key) ?? 0) + 1]) {
          expect(await store.commit(new Map([...held, [key, wrong]]), writes)).toBe(false);
        }
      }
      expect([await textAt("a"), await textAt("c"), await textAt("d")]).toEqual([
        "1",
        "1",
        undefined,
      ]);
      expect(await store.commit(held, writes)).toBe(true);
      expect([await textAt("a"), await textAt("c"), await textAt("d")]).toEqual(["2", "2", "2"]);
      expect(await store.commit(held, writes)).toBe(false);
    });

    test("a commit without writes says whether the versions hold, one without both holds", async () => {
      await write({ a: "1" });
      const version = await versionOf("a");
      const none = new Map<string, undefined>();
      expect(await store.commit(new Map([["a", version]]), none)).toBe(true);
      expect(await store.commit(new Map([["a", version + 1]]), none)).toBe(false);
      expect(await store.commit(new Map([["b", 0]]), none)).toBe(true);
      expect(await store.commit(new Map([["b", 1]]), none)).toBe(false);
      expect(await store.commit(new Map(), none)).toBe(true);
      expect(await versionOf("a")).toBe(version);
    });

    test("a version is never used twice, also across delete and re-create", async () => {
      const versions = new Set<number>();
      for (let life = 0; life < 20; life += 1) {
        await write({ a: "same" });
        const version = await versionOf("a");
        expect(version).toBeGreaterThan(0);
        versions.add(version);
        await write({ a: undefined });
        expect(await store.get("a")).toBeUndefined();
        expect(await store.commit(new Map([["a", version]]), new Map())).toBe(false);
      }
      expect(versions.size).toBe(20);
    });

    test("deleting what is not there changes nothing and succeeds", async () => {
      expect(await store.commit(new Map([["a", 0]]), new Map([["a", undefined]]))).toBe(true);
      expect(await store.get("a")).toBeUndefined();
    });

    test("a range is in byte order, from either end, from its start to before its end", async () => {
      const keys = [
        "r",
        "r\0",
        "r/",
        "r/\0",
        "r/a",
        "r/b",
        "r/\x7f",
        "r/\x80",
        "r/\xff",
        "r0",
        "s",
      ];
      await write(Object.fromEntries([...keys].reverse().map((key) => [key, key])));
      const range = async (start: string, end: string, limit = 99, reverse = false) =>
        (await store.range({ start, end, limit, reverse })).map(({ key }) => key);
      const inside = keys.slice(2, 9);
      expect(await range("r/", "r0")).toEqual(inside);
      expect(await range("r/", "r0", 99, true)).toEqual([...inside].reverse());
      expect(await range("r/", "r0", 2)).toEqual(inside.slice(0, 2));
      expect(await range("r/", "r0", 2, true)).toEqual(["r/\xff", "r/\x80"]);
      expect(await range("r/a", "r/b")).toEqual(["r/a"]);
      expect(await range("r/a", "r/b", 9, true)).toEqual(["r/a"]);
      expect(await range("r/aa", "r/ab", 9, true)).toEqual([]);
      for (const reverse of [false, true]) {
        expect(await range("r0", "r/", 9, reverse)).toEqual([]);
        expect(await range("r/", "r/", 9, reverse)).toEqual([]);
        expect(await range("r/", "r0", 0, reverse)).toEqual([]);
        expect(await range("x", "y", 9, reverse)).toEqual([]);
      }
    });

    test("a range gives values and versions as get does", async () => {
      await write({ a: "one", b: "", c: "x".repeat(100_000) });
      for (const { key, value, version } of await store.range({ start: "a", end: "d", limit: 9 })) {
        expect(await store.get(key)).toEqual({ value, version });
      }
      expect(await textAt("b")).toBe("");
      expect((await textAt("c"))?.length).toBe(100_000);
    });

    test("keys of every byte and of 1,100 bytes are told apart to their last byte", async () => {
      const all = String.fromCharCode(...Array.from({ length: 256 }, (_, byte) => byte));
      const long = "k".repeat(1099);
      await write({ [all]: "all", [`${long}a`]: "a", [`${long}b`]: "b" });
      expect(await textAt(all)).toBe("all");
      expect(await textAt(`${long}a`)).toBe("a");
      expect(await textAt(`${long}b`)).toBe("b");
      expect(await store.get(`${long}c`)).toBeUndefined();
    });

    for (const size of [8, 100_000]) {
      test(`${size} bytes read or written are no part of the store, and later commits do not reach them`, async () => {
        const before = new Uint8Array(size).fill(1);
        const value = before.slice();
        await store.commit(new Map(), new Map([["a", value]]));
        value.fill(0);
        const read = await store.get("a");
        const [ranged] = await store.range({ start: "a", end: "b", limit: 1 });
        const part = read?.value.slice(0, 4);
        for (let i = 0; i < 50; i += 1) {
          await store.commit(new Map(), new Map([["a", before.map((byte) => byte + i)]]));
          await store.get("a");
        }
        expect(read?.value).toEqual(before);
        expect((ranged as KeyedRecord).value).toEqual(before);
        read?.value.fill(0);
        expect(part).toEqual(before.slice(0, 4));
        expect((await store.get("a"))?.value).toEqual(before.map((byte) => byte + 49));
      });
    }

    test("ranges between long keys, again and again", async () => {
      const long = "k".repeat(1090);
      const keys = Array.from({ length: 40 }, (_, i) => long + String(i).padStart(10, "0"));
      await write(Object.fromEntries(keys.map((key) => [key, key])));
      for (let i = 0; i + 3 < keys.length; i += 1) {
        for (const reverse of [false, true]) {
          const [start, end] = [keys[i] as string, keys[i + 3] as string];
          const found = await store.range({ start, end, limit: 9, reverse });
          const wanted = keys.slice(i, i + 3);
          expect(found.map(({ key }) => key)).toEqual(reverse ? wanted.reverse() : wanted);
        }
      }
    });

    test("of commits begun at once that expect the same, one is applied", async () => {
      for (let round = 0; round < 20; round += 1) {
        const expected = new Map([
          ["a", await versionOf("a")],
          ["b", await versionOf("b")],
        ]);
        const attempts = Array.from({ length: 8 }, (_, i) =>
          store.commit(
            expected,
            new Map([
              ["a", bytes(`${i}`)],
              ["b", bytes(`${i}`)],
            ]),
          ),
        );
        const results = await Promise.all(attempts);
        expect(results.filter((isDone) => isDone)).toHaveLength(1);
        expect(await textAt("a")).toBe(`${results.indexOf(true)}`);
        expect(await textAt("b")).toBe(`${results.indexOf(true)}`);
      }
    });

    for (const count of manyCounts) {
      test(`a commit of ${count} conditions and writes is all or nothing`, async () => {
        const keys = Array.from({ length: count }, (_, i) => `many/${String(i).padStart(6, "0")}`);
        const range = { start: "many/", end: "many0", limit: 2 * count };
        const commit = (expected: Map<string, number>, value: string): Promise<boolean> =>
          store.commit(expected, new Map(keys.map((key) => [key, bytes(value)])));
        expect(await commit(new Map(keys.map((key) => [key, 0])), "1")).toBe(true);
        const before = await store.range(range);
        expect(before.map(({ key }) => key)).toEqual(keys);
        const held = new Map(before.map(({ key, version }) => [key, version]));
        for (const at of [0, 1, 255, 256, 511, 512, 513, count - 1]) {
          expect(await commit(new Map([...held, [keys[at] as string, 5]]), "2")).toBe(false);
        }
        expect(await store.range(range)).toEqual(before);
        expect(await commit(held, "3")).toBe(true);
        const after = await store.range({ start: "\0", end: "\xff", limit: 2 * count });
        const ours = after.filter(({ key }) => held.has(key));
        const texts = ours.map(({ value }) => textOf(value));
        expect(new Set(texts)).toEqual(new Set(["3"]));
        // Nothing was left behind by the way it was done.
        expect(after.length - texts.length).toBeLessThanOrEqual(1);
      });
    }

    test("a read sees every commit that was acknowledged, whichever way it was made", async () => {
      const other = (await under.another?.()) ?? store;
      for (let i = 0; i < 200; i += 1) {
        const [from, to] = i % 2 === 0 ? [store, other] : [other, store];
        const version = (await from.get("a"))?.version ?? 0;
        expect(await from.commit(new Map([["a", version]]), new Map([["a", bytes(`${i}`)]]))).toBe(
          true,
        );
        expect(textOf((await to.get("a"))?.value)).toBe(`${i}`);
        const [record] = await to.range({ start: "a", end: "b", limit: 1 });
        expect(textOf(record?.value)).toBe(`${i}`);
      }
      if (other !== store) await other.close();
    });

    test("random commits leave what a plain map would hold", async () => {
      const prng = new Prng("store contract");
      const model = new Map<string, { value: string; version: number }>();
      const keyOf = (): string => `m/${prng.below(12)}`;
      for (let i = 0; i < 300; i += 1) {
        const keys = new Set(Array.from({ length: 1 + prng.below(4) }, keyOf));
        const expected = new Map<string, number>();
        let holds = true;
        for (const key of keys) {
          const version = model.get(key)?.version ?? 0;
          const isStale = prng.chance(0.1);
          if (isStale) holds = false;
          expected.set(key, isStale ? version + 1 : version);
        }
        const writes = new Map<string, string | undefined>();
        for (let left = prng.below(4); left > 0; left -= 1) {
          writes.set(keyOf(), prng.chance(0.3) ? undefined : `value ${i}`);
        }
        const inBytes = [...writes].map(([key, value]) => [key, value && bytes(value)] as const);
        expect(await store.commit(expected, new Map(inBytes as [string, Uint8Array][]))).toBe(
          holds,
        );
        if (holds) {
          for (const [key, value] of writes) {
            if (value === undefined) model.delete(key);
            else model.set(key, { value, version: await versionOf(key) });
          }
        }
        const found = await store.range({ start: "m/", end: "m0", limit: 99 });
        const wanted = [...model].sort(([one], [other]) => (one < other ? -1 : 1));
        expect(
          found.map(({ key, value, version }) => [key, { value: textOf(value), version }]),
        ).toEqual(wanted);
      }
    });

    test("close waits for what is under way; later calls say so; closing again is nothing", async () => {
      const commits = Array.from({ length: 5 }, (_, i) =>
        store.commit(new Map(), new Map([[`a${i}`, bytes("1")]])),
      );
      await store.close();
      expect(await Promise.all(commits)).toEqual([true, true, true, true, true]);
      const closed = { code: "PDPM_CLOSED" };
      await expect(store.get("a")).rejects.toMatchObject(closed);
      await expect(store.range({ start: "a", end: "b", limit: 1 })).rejects.toMatchObject(closed);
      await expect(store.range({ start: "b", end: "a", limit: 1 })).rejects.toMatchObject(closed);
      await expect(store.commit(new Map(), new Map())).rejects.toMatchObject(closed);
      await store.close();
    });
  });
}
