// Contract: clients of one store see each other's writes at once, and updates lose nothing.

import { expect, test } from "vitest";
import { bytes, expectSame, failureOf, sample, text, type UseFixture } from "./contract-fixture.ts";

/** Several clients; update and increment. */
export function clientChapter(use: UseFixture): void {
  test("what one client wrote the other reads at once, back and forth", async () => {
    const { store } = use();
    const other = await use().another();
    for (let i = 0; i < 50; i += 1) {
      const [writer, reader] = i % 2 === 0 ? [store, other] : [other, store];
      const { version } = await writer.put("k", sample(i * 40, i));
      const entry = await reader.getEntry("k");
      expectSame(entry?.value, sample(i * 40, i));
      expect(entry?.version).toBe(version);
    }
  });

  test("a delete and a re-creation reach a client that knew the old value", async () => {
    const { store } = use();
    const other = await use().another();
    for (let i = 0; i < 10; i += 1) {
      const first = await store.put("k", sample(100, i));
      expectSame(await other.get("k"), sample(100, i));
      expect(await store.delete("k")).toBe(true);
      expect(await other.get("k")).toBeUndefined();
      expect(await other.delete("k")).toBe(false);
      const again = await other.put("k", sample(5000, i));
      expect(again.version).toBeGreaterThan(first.version);
      expectSame(await store.get("k"), sample(5000, i));
    }
  });

  test("a client that opens later finds what was there", async () => {
    const { store } = use();
    for (let i = 0; i < 30; i += 1) await store.put(`key ${i}`, sample(i * 100, i));
    const other = await use().another();
    for (let i = 0; i < 30; i += 1) expectSame(await other.get(`key ${i}`), sample(i * 100, i));
  });

  test("a value outlives the client that wrote it", async () => {
    const { store } = use();
    const other = await use().another();
    await other.put("k", bytes("v"));
    await other.close();
    expect(text(await store.get("k"))).toBe("v");
  });

  test("blind puts of two clients on one key all take versions of their own", async () => {
    const { store } = use();
    const clients = [store, await use().another()];
    const puts = clients.map(async (client, who) => {
      const versions: number[] = [];
      for (let i = 0; i < 50; i += 1) {
        versions.push((await client.put("k", sample(30, who))).version);
      }
      expect(versions).toEqual([...versions].sort((a, b) => a - b));
      return versions;
    });
    const versions = (await Promise.all(puts)).flat();
    expect(new Set(versions).size).toBe(100);
    expect((await store.getEntry("k"))?.version).toBe(Math.max(...versions));
  });

  test("increments of two clients add up exactly, and no sum comes twice", async () => {
    const { store } = use();
    const clients = [store, await use().another()];
    const sums = await Promise.all(
      clients.map(async (client) => {
        const own: number[] = [];
        for (let turn = 0; turn < 10; turn += 1) {
          const round = Array.from({ length: 10 }, () => client.increment("n"));
          own.push(...(await Promise.all(round)));
        }
        return own;
      }),
    );
    expect([...new Set(sums.flat())].length).toBe(200);
    expect(text(await store.get("n"))).toBe("200");
  });

  test("increment starts at 0, takes a step, and refuses what is no number", async () => {
    const { store } = use();
    expect(await store.increment("n")).toBe(1);
    expect(await store.increment("n", 41)).toBe(42);
    expect(await store.increment("n", -50)).toBe(-8);
    expect(await store.increment("n", 0.5)).toBe(-7.5);
    for (const by of [Number.NaN, Infinity, "1"]) {
      await failureOf(store.increment("n", by as never), "PDPM_INVALID_ARGUMENT");
    }
    for (const value of ["", "seven", "0x10", " 1", "1 "]) {
      await store.put("t", bytes(value));
      await failureOf(store.increment("t"), "PDPM_INVALID_ARGUMENT");
      expect(text(await store.get("t"))).toBe(value);
    }
  });

  test("an increment beyond the safe integers is refused, not rounded", async () => {
    const { store } = use();
    await store.put("n", bytes(`${Number.MAX_SAFE_INTEGER}`));
    await failureOf(store.increment("n"), "PDPM_INVALID_ARGUMENT");
    expect(await store.increment("n", -1)).toBe(Number.MAX_SAFE_INTEGER - 1);
  });

  test("update makes, changes and leaves a key", async () => {
    const { store } = use();
    expect(await store.update("k", () => undefined)).toBeUndefined();
    expect(await store.has("k")).toBe(false);
    const made = await store.update("k", (old) => (old === undefined ? bytes("a") : undefined));
    expect(text(made?.value)).toBe("a");
    const changed = await store.update("k", (old) => bytes(`${text(old)}b`));
    expect(text(changed?.value)).toBe("ab");
    expect(changed?.version).toBeGreaterThan(made?.version as number);
    expect(await store.getEntry("k")).toEqual(changed);
    const left = await store.update("k", () => undefined);
    expect(left).toEqual(changed);
    expect((await store.getEntry("k"))?.version).toBe(changed?.version);
  });

  test("an update whose function throws rejects with that, and changes nothing", async () => {
    const { store } = use();
    await store.put("k", bytes("v"));
    const mine = new Error("mine");
    const throwing = store.update("k", () => {
      throw mine;
    });
    await expect(throwing).rejects.toBe(mine);
    const late = store.update("k", (async () => bytes("w")) as never);
    await failureOf(late, "PDPM_INVALID_ARGUMENT");
    expect(text(await store.get("k"))).toBe("v");
    expect(text((await store.update("k", () => bytes("w")))?.value)).toBe("w");
  });

  test("updates of two clients lose nothing", async () => {
    const { store } = use();
    const clients = [store, await use().another()];
    await Promise.all(
      clients.map(async (client, who) => {
        for (let i = 0; i < 30; i += 1) {
          await client.update("list", (old) => {
            const list = old === undefined ? "" : text(old);
            return bytes(`${list}${who}:${i};`);
          });
        }
      }),
    );
    const items = text(await store.get("list"))
      .split(";")
      .slice(0, -1);
    expect(items.length).toBe(60);
    for (const who of [0, 1]) {
      const own = items.filter((item) => item.startsWith(`${who}:`));
      expect(own).toEqual(Array.from({ length: 30 }, (_, i) => `${who}:${i}`));
    }
  });
}
