// Contract, first chapter: what goes in comes out, whatever its size, and what is not allowed is
// refused before anything happens.

import { expect, test } from "vitest";
import { bytes, expectSame, failureOf, sample, text, type UseFixture } from "./contract-fixture.ts";
import { keyBytesMost, valueBytesMost } from "./key.ts";

const sizes = [0, 1, 7, 8, 1024, 65_536, valueBytesMost];

/** Keys, values, and what is no key or value. */
export function valueChapter(use: UseFixture): void {
  for (const keyLength of [1, keyBytesMost]) {
    for (const size of sizes) {
      test(`a value of ${size} bytes comes back under a key of ${keyLength}`, async () => {
        const { store } = use();
        const key = "k".repeat(keyLength);
        await store.put(key, sample(size));
        expectSame(await store.get(key), sample(size));
        await store.put(key, sample(size, 2));
        expectSame(await store.get(key), sample(size, 2));
      });
    }
  }

  test("one byte more than the largest value is refused, with both sizes", async () => {
    const { store } = use();
    const put = store.put("k", sample(valueBytesMost + 1));
    const { message } = await failureOf(put, "PDPM_INVALID_ARGUMENT");
    expect(message).toContain("1048577");
    expect(message).toContain("1048576");
    expect(await store.has("k")).toBe(false);
  });

  test("an empty key is refused, as text and as bytes", async () => {
    const { store } = use();
    await failureOf(store.get(""), "PDPM_INVALID_ARGUMENT");
    await failureOf(store.put("", bytes("v")), "PDPM_INVALID_ARGUMENT");
    await failureOf(store.delete(new Uint8Array(0)), "PDPM_INVALID_ARGUMENT");
  });

  test("a key of 1025 bytes is refused, also when its text is shorter", async () => {
    const { store } = use();
    await failureOf(store.get("k".repeat(1025)), "PDPM_INVALID_ARGUMENT");
    await failureOf(store.put(new Uint8Array(1025), bytes("v")), "PDPM_INVALID_ARGUMENT");
    // 513 characters of two bytes each.
    await failureOf(store.has("\u00e9".repeat(513)), "PDPM_INVALID_ARGUMENT");
    await store.put("\u00e9".repeat(512), bytes("v"));
    expect(await store.has("\u00e9".repeat(512))).toBe(true);
  });

  test("what is neither text nor bytes is no key, and only bytes are a value", async () => {
    const { store } = use();
    await failureOf(store.get(7 as never), "PDPM_INVALID_ARGUMENT");
    await failureOf(store.get(undefined as never), "PDPM_INVALID_ARGUMENT");
    await failureOf(store.get("\ud800"), "PDPM_INVALID_ARGUMENT");
    await failureOf(store.put("k", "text" as never), "PDPM_INVALID_ARGUMENT");
    await failureOf(store.put("k", undefined as never), "PDPM_INVALID_ARGUMENT");
    expect(await store.has("k")).toBe(false);
  });

  test("a text and its UTF-8 bytes name the same key", async () => {
    const { store } = use();
    await store.put("gr\u00fc\u00df \u{1f600}", bytes("one"));
    expect(text(await store.get(bytes("gr\u00fc\u00df \u{1f600}")))).toBe("one");
    await store.put(bytes("plain"), bytes("two"));
    expect(text(await store.get("plain"))).toBe("two");
    expect(await store.delete(Buffer.from("plain"))).toBe(true);
    expect(await store.has("plain")).toBe(false);
  });

  test("keys that are not UTF-8 are keys of their own", async () => {
    const { store } = use();
    const keys = [[0xff], [0xff, 0xff], [0xc3], [0xed, 0xa0, 0x80], [0], [0x6b, 0xc3]];
    for (const [i, key] of keys.entries()) await store.put(Uint8Array.from(key), sample(9, i));
    for (const [i, key] of keys.entries()) {
      expectSame(await store.get(Uint8Array.from(key)), sample(9, i));
    }
    expect(await store.has("\u00ff")).toBe(false);
    expect(await store.has("\u00c3")).toBe(false);
  });

  test("text of rare characters is no other key's bytes", async () => {
    const { store } = use();
    await store.put(Uint8Array.of(0x00), bytes("zero"));
    await store.put("\u{10000}", bytes("linear b"));
    await store.put(Uint8Array.of(0xff), bytes("raw"));
    await store.put("\u{100ff}", bytes("rare"));
    const keys = ["\0", bytes("\u{10000}"), Uint8Array.of(0xff), bytes("\u{100ff}")];
    const found = await Promise.all(keys.map(async (key) => text(await store.get(key))));
    expect(found).toEqual(["zero", "linear b", "raw", "rare"]);
  });

  test("a key that is a beginning of another is another key", async () => {
    const { store } = use();
    await store.put("a", bytes("1"));
    await store.put("ab", bytes("2"));
    await store.put("a\0", bytes("3"));
    expect(
      await Promise.all(["a", "ab", "a\0"].map(async (key) => text(await store.get(key)))),
    ).toEqual(["1", "2", "3"]);
  });

  test("a missing key is undefined", async () => {
    const { store } = use();
    expect(await store.get("k")).toBeUndefined();
    expect(await store.getEntry("k")).toBeUndefined();
    expect(await store.has("k")).toBe(false);
    expect(await store.getInto("k", new Uint8Array(8))).toBeUndefined();
  });

  test("an empty value is there", async () => {
    const { store } = use();
    await store.put("k", new Uint8Array(0));
    expect(await store.has("k")).toBe(true);
    expect((await store.get("k"))?.length).toBe(0);
    expect(await store.getInto("k", new Uint8Array(0))).toBe(0);
  });

  test("a value grows through every size and shrinks again, and its neighbours stay", async () => {
    const { store } = use();
    const neighbours = Array.from({ length: 20 }, (_, i) => `neighbour ${i}`);
    for (const [i, key] of neighbours.entries()) await store.put(key, sample(60 + i, i));
    const path = [...sizes, 65_537, 100_000, 1025, 65, 64, 63, 1, 0];
    for (const [i, size] of path.entries()) {
      await store.put("k", sample(size, i));
      expectSame(await store.get("k"), sample(size, i));
    }
    for (const [i, key] of neighbours.entries()) {
      expectSame(await store.get(key), sample(60 + i, i));
    }
  });

  test("the caller may change a value once its put has resolved", async () => {
    const { store } = use();
    for (const size of [8, 1024, 65_536]) {
      const value = sample(size);
      await store.put("k", value);
      value.fill(0xee);
      expectSame(await store.get("k"), sample(size));
    }
  });

  test("a value that was read is the reader's own", async () => {
    const { store } = use();
    await store.put("k", sample(100));
    const first = await store.get("k");
    const second = (await store.getEntry("k"))?.value;
    first?.fill(0xee);
    expectSame(second, sample(100));
    expectSame(await store.get("k"), sample(100));
  });

  test("getInto fills the buffer's beginning and says how much", async () => {
    const { store } = use();
    await store.put("k", sample(100));
    const buffer = new Uint8Array(128).fill(0xee);
    expect(await store.getInto("k", buffer)).toBe(100);
    expectSame(buffer.subarray(0, 100), sample(100));
    expectSame(buffer.subarray(100), new Uint8Array(28).fill(0xee));
    const floats = new Float32Array(25);
    expect(await store.getInto("k", floats)).toBe(100);
    expectSame(new Uint8Array(floats.buffer), sample(100));
  });

  test("getInto leaves a buffer that is too small untouched, and says what is needed", async () => {
    const { store } = use();
    await store.put("k", sample(100));
    const buffer = new Uint8Array(99).fill(0xee);
    const { message } = await failureOf(store.getInto("k", buffer), "PDPM_INVALID_ARGUMENT");
    expect(message).toContain("100 bytes");
    expectSame(buffer, new Uint8Array(99).fill(0xee));
  });
}
