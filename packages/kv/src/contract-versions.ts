// Contract: versions only grow, conditional writes compare them, and a delete removes exactly once.

import { expect, test } from "vitest";
import { bytes, failureOf, sample, text, type UseFixture } from "./contract-fixture.ts";

/** Versions, conditions, deletes. */
export function versionChapter(use: UseFixture): void {
  test("every put takes a higher version, and the entry shows it", async () => {
    const { store } = use();
    let last = 0;
    for (let i = 0; i < 20; i += 1) {
      const { version } = await store.put("k", sample(10, i));
      expect(version).toBeGreaterThan(last);
      expect((await store.getEntry("k"))?.version).toBe(version);
      last = version;
    }
  });

  test("versions grow also while the value outgrows its place", async () => {
    const { store } = use();
    let last = 0;
    for (const size of [10, 100, 1000, 10_000, 100_000, 10, 1_000_000, 0]) {
      const { version } = await store.put("k", sample(size));
      expect(version).toBeGreaterThan(last);
      expect((await store.getEntry("k"))?.version).toBe(version);
      last = version;
    }
  });

  test("versions grow also across delete and re-create", async () => {
    const { store } = use();
    let last = 0;
    for (let i = 0; i < 10; i += 1) {
      const first = await store.put("k", sample(10, i));
      expect(first.version).toBeGreaterThan(last);
      const second = await store.put("k", sample(10, i));
      expect(await store.delete("k")).toBe(true);
      last = second.version;
    }
  });

  test("versions grow for each of many keys that come and go", async () => {
    const { store } = use();
    const keys = Array.from({ length: 50 }, (_, i) => `key ${i}`);
    const last = new Map<string, number>();
    for (let turn = 0; turn < 4; turn += 1) {
      for (const key of keys) {
        const { version } = await store.put(key, sample(20, turn));
        expect(version).toBeGreaterThan(last.get(key) ?? 0);
        last.set(key, version);
      }
      for (const key of keys.filter((_, i) => i % 3 === turn % 3)) await store.delete(key);
    }
  });

  test("ifVersion 0 creates, and refuses where the key exists", async () => {
    const { store } = use();
    await store.put("k", bytes("first"), { ifVersion: 0 });
    await failureOf(store.put("k", bytes("second"), { ifVersion: 0 }), "PDPM_CONFLICT");
    expect(text(await store.get("k"))).toBe("first");
    await store.delete("k");
    await store.put("k", bytes("third"), { ifVersion: 0 });
    expect(text(await store.get("k"))).toBe("third");
  });

  test("ifVersion n writes over version n and no other", async () => {
    const { store } = use();
    const first = await store.put("k", bytes("first"));
    const second = await store.put("k", bytes("second"), { ifVersion: first.version });
    expect(second.version).toBeGreaterThan(first.version);
    const stale = store.put("k", bytes("third"), { ifVersion: first.version });
    await failureOf(stale, "PDPM_CONFLICT");
    const ahead = store.put("k", bytes("third"), { ifVersion: second.version + 1 });
    await failureOf(ahead, "PDPM_CONFLICT");
    expect(text(await store.get("k"))).toBe("second");
    expect((await store.getEntry("k"))?.version).toBe(second.version);
  });

  test("ifVersion n does not create, also not after a delete of version n", async () => {
    const { store } = use();
    await failureOf(store.put("k", bytes("v"), { ifVersion: 1 }), "PDPM_CONFLICT");
    const { version } = await store.put("k", bytes("v"));
    await store.delete("k");
    await failureOf(store.put("k", bytes("w"), { ifVersion: version }), "PDPM_CONFLICT");
    expect(await store.has("k")).toBe(false);
  });

  test("of two writers with one condition exactly one wins", async () => {
    const { store } = use();
    const { version } = await store.put("k", bytes("v"));
    const puts = ["a", "b", "c", "d"].map((name) =>
      store.put("k", bytes(name), { ifVersion: version }),
    );
    const ends = await Promise.allSettled(puts);
    expect(ends.filter(({ status }) => status === "fulfilled").length).toBe(1);
    const winner = ends.findIndex(({ status }) => status === "fulfilled");
    expect(text(await store.get("k"))).toBe("abcd"[winner]);
  });

  test("an ifVersion that is no version is refused", async () => {
    const { store } = use();
    for (const ifVersion of [-1, 1.5, Number.NaN, "1", 2 ** 53, null]) {
      const put = store.put("k", bytes("v"), { ifVersion: ifVersion as never });
      expect((await failureOf(put, "PDPM_INVALID_ARGUMENT")).message).toContain("ifVersion");
    }
    expect(await store.has("k")).toBe(false);
  });

  test("delete says whether there was anything, and takes it away", async () => {
    const { store } = use();
    expect(await store.delete("k")).toBe(false);
    await store.put("k", bytes("v"));
    expect(await store.delete("k")).toBe(true);
    expect(await store.get("k")).toBeUndefined();
    expect(await store.has("k")).toBe(false);
    expect(await store.delete("k")).toBe(false);
  });

  test("a conditional delete of another version is a conflict and deletes nothing", async () => {
    const { store } = use();
    const first = await store.put("k", bytes("first"));
    const second = await store.put("k", bytes("second"));
    await failureOf(store.delete("k", { ifVersion: first.version }), "PDPM_CONFLICT");
    expect(text(await store.get("k"))).toBe("second");
    expect(await store.delete("k", { ifVersion: second.version })).toBe(true);
    await failureOf(store.delete("k", { ifVersion: second.version }), "PDPM_CONFLICT");
  });

  test("a deleted value does not come back when its key is made anew", async () => {
    const { store } = use();
    await store.put("k", bytes("old"));
    await store.delete("k");
    await store.put("k", bytes("new"));
    expect(text(await store.get("k"))).toBe("new");
    await store.delete("k");
    expect(await store.get("k")).toBeUndefined();
  });

  test("writes of one key that are called in order take effect in order", async () => {
    const { store } = use();
    const puts = Array.from({ length: 100 }, (_, i) => store.put("k", bytes(`${i}`)));
    const versions = (await Promise.all(puts)).map(({ version }) => version);
    expect(versions).toEqual([...versions].sort((a, b) => a - b));
    expect(new Set(versions).size).toBe(100);
    expect(text(await store.get("k"))).toBe("99");
    const mixed = [store.delete("k"), store.put("k", bytes("last")), store.delete("k")];
    expect(await Promise.all(mixed.map(async (each) => typeof (await each)))).toEqual([
      "boolean",
      "object",
      "boolean",
    ]);
    expect(await store.has("k")).toBe(false);
  });
}
