// A value carries its identity, and every other byte follows from it.

import { isPdpmError, Prng } from "@pdpm/base";
import { expect, test } from "vitest";
import { fillValue, formatIdentity, makeValue, readValue, valueBytesMin } from "./values.ts";

const sizes = [16, 17, 18, 19, 20, 31, 64, 100, 1024, 1025, 65_536, 1_048_576];

const max = Number.MAX_SAFE_INTEGER;

test.each(sizes)("a value of %i bytes says who wrote it", (bytes) => {
  for (const [client, sequence] of [
    [0, 0],
    [3, 1841],
    [12, 99_999_999],
    [max, max],
  ] as const) {
    const identity = { client, sequence };
    if (valueBytesMin(identity) > bytes) continue;
    const value = makeValue(client, sequence, bytes);
    expect(value.length).toBe(bytes);
    expect(readValue(value)).toEqual(identity);
    const text = formatIdentity(identity);
    expect(
      Buffer.from(value)
        .subarray(0, text.length + 1)
        .toString(),
    ).toBe(`${text}\0`);
  }
});

test.each([16, 17, 33, 64, 203])("any other byte anywhere in %i bytes is noticed", (bytes) => {
  for (const [client, sequence] of [
    [0, 0],
    [9, 9],
    [3, 1841],
    [10, 10_999],
    [1, 20_000_000],
  ] as const) {
    const value = makeValue(client, sequence, bytes);
    for (let at = 0; at < bytes; at += 1) {
      const good = value[at] ?? 0;
      for (let other = 0; other < 256; other += 1) {
        if (other === good) continue;
        value[at] = other;
        if (readValue(value) !== null) expect.fail(`byte ${at} from ${good} to ${other}`);
      }
      value[at] = good;
    }
    expect(readValue(value)).toEqual({ client, sequence });
  }
});

test("a flipped bit in any byte of a long value is noticed", () => {
  const value = makeValue(7, 123_456, 5000);
  for (let at = 0; at < value.length; at += 1) {
    const good = value[at] ?? 0;
    value[at] = good ^ (1 << (at % 8));
    if (readValue(value) !== null) expect.fail(`byte ${at}`);
    value[at] = good;
  }
});

test("pieces of two values, or of one at the wrong place, are noticed", () => {
  const prng = new Prng("torn");
  for (let i = 0; i < 2000; i += 1) {
    const [client, sequence] = [prng.below(100), prng.below(100_000)];
    const value = makeValue(client, sequence, 1024);
    const other = makeValue(client, sequence + 1 + prng.below(3), 1024);
    const cut = 8 * (3 + prng.below(124));
    const torn = Uint8Array.from([...value.subarray(0, cut), ...other.subarray(cut)]);
    expect(readValue(torn)).toBeNull();
    const from = 64 * (1 + prng.below(14));
    const moved = value.slice().copyWithin(from, from + 64, from + 128);
    expect(readValue(moved)).toBeNull();
  }
});

test("shorter or longer bytes are noticed when what is missing was all of the fill's start", () => {
  const value = makeValue(3, 1841, 64);
  for (let bytes = 0; bytes < valueBytesMin({ client: 3, sequence: 1841 }); bytes += 1) {
    expect(readValue(value.subarray(0, bytes))).toBeNull();
  }
  const longer = new Uint8Array(65);
  longer.set(value);
  expect(readValue(longer)).toBeNull();
});

test("values are the same at any alignment, and nothing around them is touched", () => {
  for (let offset = 0; offset < 9; offset += 1) {
    for (const bytes of [16, 17, 18, 19, 61, 64]) {
      const around = new Uint8Array(bytes + 20).fill(0xaa);
      const value = around.subarray(offset, offset + bytes);
      fillValue(value, 5, 77);
      expect(readValue(value)).toEqual({ client: 5, sequence: 77 });
      expect([...value]).toEqual([...makeValue(5, 77, bytes)]);
      const outside = [...around.subarray(0, offset), ...around.subarray(offset + bytes)];
      expect(outside.every((byte) => byte === 0xaa)).toBe(true);
    }
  }
});

test("values do not change between versions: stores and histories outlive them", () => {
  expect(Buffer.from(makeValue(3, 1841, 24)).toString("hex")).toMatchInlineSnapshot(
    `"333a313834310092e392b09e6671478f5dd7dd7f543d7470"`,
  );
});

test("a size that cannot hold the identity is a clear error", () => {
  expect(valueBytesMin({ client: 3, sequence: 1841 })).toBe(11);
  expect(readValue(makeValue(3, 1841, 11))).toEqual({ client: 3, sequence: 1841 });
  try {
    makeValue(3, 1841, 10);
    expect.fail("10 bytes are too few");
  } catch (error) {
    expect(isPdpmError(error) && error.code).toBe("PDPM_INVALID_ARGUMENT");
    expect(String(error)).toMatch(/10 bytes cannot hold the identity 3:1841: it takes 11 bytes/);
  }
});

test("what is no value is null", () => {
  const prng = new Prng("noise");
  for (let i = 0; i < 2000; i += 1) expect(readValue(prng.bytes(prng.below(64)))).toBeNull();
  for (const text of [
    "",
    ":",
    "1:",
    ":1",
    "1:1",
    "01:1\0",
    "1:01\0",
    "1:-1\0",
    "1:9007199254740993\0",
  ]) {
    expect(readValue(Buffer.from(text.padEnd(40, "x")))).toBeNull();
    expect(readValue(Buffer.from(text))).toBeNull();
  }
});
