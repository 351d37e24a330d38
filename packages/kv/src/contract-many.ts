// Contract: the many-key forms do what as many single operations would, in the order of their
// arguments, and a list with a bad argument does nothing at all.

import { expect, test } from "vitest";
import { bytes, expectSame, failureOf, sample, text, type UseFixture } from "./contract-fixture.ts";
import { valueBytesMost } from "./key.ts";
import { inFlightMost } from "./many.ts";

function keyNames(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `key ${i}`);
}

/** getMany, putMany, deleteMany, getManyInto. */
export function manyChapter(use: UseFixture): void {
  test("getMany answers in order, undefined for what is missing, also twice the same", async () => {
    const { store } = use();
    await store.put("a", bytes("1"));
    await store.put("b", bytes("2"));
    const found = await store.getMany(["b", "none", "a", bytes("b")]);
    expect(found.map((value) => value && text(value))).toEqual(["2", undefined, "1", "2"]);
    found[0]?.fill(0);
    expect(text(found[3])).toBe("2");
  });

  test("empty lists are fine", async () => {
    const { store } = use();
    expect(await store.getMany([])).toEqual([]);
    expect(await store.putMany([])).toEqual([]);
    expect(await store.deleteMany([])).toEqual([]);
    expect(await store.getManyInto([], [])).toEqual([]);
  });

  test("more keys than may be under way at once are written, read and deleted", async () => {
    const { store } = use();
    const names = keyNames(2 * inFlightMost + 100);
    const versions = await store.putMany(names.map((key, i) => [key, sample(i % 50, i)] as const));
    expect(versions.length).toBe(names.length);
    const found = await store.getMany(names);
    for (const [i, value] of found.entries()) expectSame(value, sample(i % 50, i));
    const gone = await store.deleteMany(names.filter((_, i) => i % 2 === 0));
    expect(gone.every((was) => was)).toBe(true);
    const left = await store.getMany(names);
    expect(left.filter((value) => value === undefined).length).toBe(gone.length);
  });

  test("putMany returns each entry's version and takes any iterable of pairs", async () => {
    const { store } = use();
    const entries = new Map([
      ["a", bytes("1")],
      ["b", bytes("2")],
    ]);
    const versions = await store.putMany(entries);
    for (const [i, key] of ["a", "b"].entries()) {
      expect((await store.getEntry(key))?.version).toBe(versions[i]?.version);
    }
  });

  test("of a key that comes twice the later value stays", async () => {
    const { store } = use();
    const [first, second] = await store.putMany([
      ["k", bytes("first")],
      ["k", bytes("second")],
    ]);
    expect(second?.version).toBeGreaterThan(first?.version as number);
    expect(text(await store.get("k"))).toBe("second");
    expect(await store.deleteMany(["k", "k"])).toEqual([true, false]);
  });

  test("deleteMany says for each key whether it was there", async () => {
    const { store } = use();
    await store.put("a", bytes("1"));
    await store.put("c", bytes("3"));
    expect(await store.deleteMany(["a", "b", "c"])).toEqual([true, false, true]);
    expect(await store.getMany(["a", "b", "c"])).toEqual([undefined, undefined, undefined]);
  });

  test("one bad argument keeps the whole list from happening, and is named", async () => {
    const { store } = use();
    await store.put("there", bytes("v"));
    const large = new Uint8Array(valueBytesMost + 1);
    await failureOf(
      store.putMany([
        ["a", bytes("1")],
        ["b", large],
      ]),
      "PDPM_INVALID_ARGUMENT",
    );
    const keys = store.putMany([
      ["a", bytes("1")],
      ["", bytes("2")],
    ]);
    expect((await failureOf(keys, "PDPM_INVALID_ARGUMENT")).message).toContain("item 1");
    await failureOf(store.putMany([["a"]] as never), "PDPM_INVALID_ARGUMENT");
    await failureOf(store.putMany(["ab"] as never), "PDPM_INVALID_ARGUMENT");
    await failureOf(store.deleteMany(["there", ""]), "PDPM_INVALID_ARGUMENT");
    await failureOf(store.getMany("there" as never), "PDPM_INVALID_ARGUMENT");
    expect(await store.has("a")).toBe(false);
    expect(await store.has("there")).toBe(true);
  });

  test("a failed list of writes says how many were applied", async () => {
    const { store } = use();
    const controller = new AbortController();
    const names = keyNames(4 * inFlightMost);
    const run = store.putMany(
      names.map((key) => [key, bytes("v")] as const),
      { signal: controller.signal },
    );
    controller.abort();
    const written = await run.catch((error: unknown) => error);
    const there = (await store.getMany(names)).filter((value) => value !== undefined).length;
    // A backend that answers at once may have finished before the abort.
    if (Array.isArray(written)) return expect(there).toBe(names.length);
    const outcome = there > 0 ? "unknown" : (written as { outcome: "unknown" }).outcome;
    const { message } = await failureOf(Promise.reject(written), "PDPM_ABORTED", outcome);
    const [, applied, unknown] =
      / (\d+) of \d+ were applied, (\d+) may have been/.exec(message) ?? [];
    expect(there).toBeGreaterThanOrEqual(Number(applied));
    expect(there).toBeLessThanOrEqual(Number(applied) + Number(unknown));
  });

  test("getManyInto fills each buffer in its place", async () => {
    const { store } = use();
    await store.put("a", sample(10, 1));
    await store.put("b", sample(20, 2));
    const buffers = [new Uint8Array(32), new Uint8Array(32), new Float64Array(4)];
    expect(await store.getManyInto(["b", "none", "a"], buffers)).toEqual([20, undefined, 10]);
    expectSame((buffers[0] as Uint8Array).subarray(0, 20), sample(20, 2));
    expectSame(buffers[1] as Uint8Array, new Uint8Array(32));
    expectSame(new Uint8Array((buffers[2] as Float64Array).buffer, 0, 10), sample(10, 1));
  });

  test("getManyInto names a buffer that is too small, and wants one for each key", async () => {
    const { store } = use();
    await store.put("a", sample(10));
    const small = new Uint8Array(9).fill(0xee);
    const call = store.getManyInto(["a", "a"], [new Uint8Array(10), small]);
    const { message } = await failureOf(call, "PDPM_INVALID_ARGUMENT");
    expect(message).toContain("item 1");
    expect(message).toContain("10 bytes");
    expectSame(small, new Uint8Array(9).fill(0xee));
    await failureOf(store.getManyInto(["a"], []), "PDPM_INVALID_ARGUMENT");
    await failureOf(store.getManyInto(["a"], [7] as never), "PDPM_INVALID_ARGUMENT");
  });
}
