// Each codec gives back what it was given, or refuses it; and reads no bytes that are not its own.

import { PdpmError } from "@pdpm/base";
import type { Codec } from "@pdpm/kv";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  bytesCodec,
  type CodecName,
  checkCodec,
  codecOf,
  codecs,
  jsonCodec,
  msgpackCodec,
  utf8Codec,
} from "./codecs.ts";
import { typedArray } from "./typed-array-codec.ts";

/** Decoded from a copy at an aligned place, as a backend hands it out. */
function through<V>(codec: Codec<V>, value: V): V {
  return codec.decode(new Uint8Array(codec.encode(value)));
}

function expectRefused(work: () => unknown): void {
  expect(work).toThrow(PdpmError);
  expect(work).toThrow("PDPM_INVALID_ARGUMENT");
}

describe("bytes", () => {
  test("come back as they are, without a copy", () => {
    const value = Uint8Array.of(1, 2, 3);
    expect(bytesCodec.encode(value)).toBe(value);
    expect(bytesCodec.decode(value)).toBe(value);
    const buffer = Buffer.from("text");
    expect(bytesCodec.encode(buffer)).toBe(buffer);
  });

  test("are the only thing that is taken", () => {
    for (const value of ["text", 7, null, undefined, [1], new ArrayBuffer(1), new Uint16Array(1)]) {
      expectRefused(() => bytesCodec.encode(value as never));
    }
  });
});

describe("utf8", () => {
  test("any well-formed text comes back, a byte order mark included", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        if (text.isWellFormed()) expect(through(utf8Codec, text)).toBe(text);
        else expectRefused(() => utf8Codec.encode(text));
      }),
    );
    expect(through(utf8Codec, "\ufeffmark")).toBe("\ufeffmark");
    expect(through(utf8Codec, "")).toBe("");
  });

  test("bytes that are not UTF-8 are an error, never replaced", () => {
    expect(() => utf8Codec.decode(Uint8Array.of(0x61, 0xff))).toThrow();
    expectRefused(() => utf8Codec.encode(7 as never));
    expectRefused(() => utf8Codec.encode("\ud800"));
  });
});

describe("json and msgpack", () => {
  const both = [jsonCodec(), msgpackCodec()];

  test("values of JSON come back", () => {
    for (const codec of both) {
      for (const value of [
        null,
        true,
        0,
        -1.5,
        2 ** 53,
        "",
        "\u00e9\u{1f600}",
        [],
        {},
        [[1], {}],
      ]) {
        expect(through(codec, value)).toEqual(value);
      }
      const nested = { a: [1, 2, { b: "c", d: null }], e: { f: false } };
      expect(through(codec, nested)).toEqual(nested);
    }
  });

  test("what they cannot hold is refused", () => {
    for (const codec of both) {
      expectRefused(() => codec.encode(undefined));
      expectRefused(() => codec.encode(() => 1));
      const circle: Record<string, unknown> = {};
      circle["circle"] = circle;
      expect(() => codec.encode(circle)).toThrow();
      expect(() => codec.encode(Symbol("s"))).toThrow();
    }
    expect(() => jsonCodec().encode(1n)).toThrow();
  });

  test("bytes that are cut short, too long or foreign are an error", () => {
    for (const codec of both) {
      const whole = codec.encode({ a: [1, 2, 3], b: "text" });
      expect(() => codec.decode(new Uint8Array(0))).toThrow();
      expect(() => codec.decode(whole.slice(0, -1))).toThrow();
      expect(() => codec.decode(Buffer.concat([whole, whole]))).toThrow();
    }
    expect(() => jsonCodec().decode(Uint8Array.of(0xff, 0xfe))).toThrow();
  });

  test("msgpack also keeps bytes, dates, sets, typed arrays and big integers", () => {
    const value = {
      bytes: Uint8Array.of(1, 2, 3),
      date: new Date(1_700_000_000_123),
      set: new Set([1, "two"]),
      floats: Float32Array.of(1.5, -2),
      big: 2n ** 60n,
      nothing: undefined,
    };
    expect(through(msgpackCodec(), value)).toEqual(value);
  });

  test("a msgpack value can be read alone: no structure is shared between values", () => {
    const codec = msgpackCodec();
    const first = new Uint8Array(codec.encode({ name: "a", size: 1 }));
    const second = new Uint8Array(codec.encode({ name: "a", size: 1 }));
    expect(second).toEqual(first);
    expect(Buffer.from(second).includes("name")).toBe(true);
  });

  test("an encoded msgpack value stays as it is while others are encoded", () => {
    const codec = msgpackCodec();
    const values = Array.from({ length: 2000 }, (_, i) => ({ i, text: `value ${i}` }));
    const encoded = values.map((value) => codec.encode(value));
    expect(encoded.map((bytes) => codec.decode(new Uint8Array(bytes)))).toEqual(values);
  });
});

describe("typed arrays", () => {
  test("every kind comes back under its name", () => {
    const arrays = {
      int8: Int8Array.of(-1, 2),
      uint8: Uint8Array.of(1, 255),
      int16: Int16Array.of(-300, 300),
      uint16: Uint16Array.of(1, 65_535),
      int32: Int32Array.of(-70_000, 1),
      uint32: Uint32Array.of(1, 2 ** 32 - 1),
      int64: BigInt64Array.of(-(2n ** 40n), 1n),
      uint64: BigUint64Array.of(2n ** 63n),
      float32: Float32Array.of(0.5, -Infinity, Number.NaN),
      float64: Float64Array.of(Math.PI, -0),
    };
    for (const [name, value] of Object.entries(arrays)) {
      const codec = codecs[name as CodecName] as Codec<unknown>;
      expect(codec.name).toBe(name);
      expect(through(codec, value)).toEqual(value);
      expect(through(codec, value)).toBeInstanceOf(value.constructor);
    }
  });

  test("part of a buffer is encoded as that part", () => {
    const whole = Float32Array.of(1, 2, 3, 4);
    expect(through(codecs.float32, whole.subarray(1, 3))).toEqual(Float32Array.of(2, 3));
  });

  test("aligned bytes are shared, others are copied to an aligned place", () => {
    const memory = new Uint8Array(32).map((_, i) => i);
    const aligned = codecs.float64.decode(memory.subarray(8, 24));
    expect(aligned.buffer).toBe(memory.buffer);
    const copied = codecs.float64.decode(memory.subarray(7, 23));
    expect(copied.buffer).not.toBe(memory.buffer);
    expect(new Uint8Array(copied.buffer, copied.byteOffset, 16)).toEqual(memory.slice(7, 23));
  });

  test("another kind of array, and bytes that are no whole number of elements, are refused", () => {
    expectRefused(() => codecs.float32.encode(Float64Array.of(1) as never));
    expectRefused(() => codecs.float32.encode([1, 2] as never));
    expectRefused(() => codecs.float32.decode(new Uint8Array(7)));
    expect(codecs.float32.decode(new Uint8Array(0)).length).toBe(0);
  });

  test("a length that was asked for is checked both ways", () => {
    const codec = typedArray(Float32Array, 3);
    expect(codec.name).toBe("float32[3]");
    expect(through(codec, Float32Array.of(1, 2, 3))).toEqual(Float32Array.of(1, 2, 3));
    expectRefused(() => codec.encode(Float32Array.of(1, 2)));
    expectRefused(() => codec.decode(new Uint8Array(16)));
    for (const length of [-1, 1.5, Number.NaN]) expectRefused(() => typedArray(Int8Array, length));
  });
});

describe("numbers for increment", () => {
  test("stand as decimal text in bytes and utf8, as themselves in json and msgpack", () => {
    const { numbers: inBytes } = codecs.bytes;
    const { numbers: inText } = codecs.utf8;
    for (const number of [0, 1, -1, 42, 0.1, -7.25, 2 ** 53 - 1, 1e21, 5e-324, 1.5e300]) {
      const bytes = inBytes?.toValue(number) as Uint8Array;
      expect(Buffer.from(bytes).toString()).toBe(String(number));
      expect(inBytes?.toNumber(bytes)).toBe(number);
      expect(inText?.toNumber(inText.toValue(number))).toBe(number);
      expect(codecs.json.numbers?.toNumber(codecs.json.numbers.toValue(number))).toBe(number);
      expect(codecs.msgpack.numbers?.toNumber(number)).toBe(number);
    }
  });

  test("what is no number is none", () => {
    const texts = ["", " ", "1 ", " 1", "0x10", "1_000", "+1", "NaN", "Infinity", "1e999", "one"];
    for (const text of [...texts, "1".repeat(33), "\u0661"]) {
      expect(codecs.utf8.numbers?.toNumber(text), text).toBeUndefined();
      expect(codecs.bytes.numbers?.toNumber(Buffer.from(text)), text).toBeUndefined();
    }
    for (const value of ["1", null, true, [1], Number.NaN, Infinity, 1n]) {
      expect(codecs.json.numbers?.toNumber(value)).toBeUndefined();
    }
    expect(codecs.float32.numbers).toBeUndefined();
  });
});

describe("the caller's choice", () => {
  const own: Codec<Date> = {
    name: "date",
    encode: (date) => Buffer.from(date.toISOString()),
    decode: (bytes) => new Date(Buffer.from(bytes).toString()),
  };

  test("is a name or a codec", () => {
    expect(checkCodec("float32")).toBeNull();
    expect(checkCodec(own)).toBeNull();
    expect(codecOf("json")).toBe(codecs.json);
    expect(codecOf(own)).toBe(own);
  });

  test("is refused with what is missing", () => {
    expect(checkCodec("yaml")).toContain("float32");
    expect(checkCodec("constructor")).toContain("must be");
    expect(checkCodec(undefined)).toContain("must be");
    expect(checkCodec(null)).toContain("must be");
    expect(checkCodec({ ...own, name: "" })).toContain("name");
    expect(checkCodec({ ...own, encode: 7 })).toContain("encode");
    expect(checkCodec({ ...own, decode: undefined })).toContain("decode");
    expect(checkCodec({ ...own, numbers: {} })).toContain("toNumber");
    expect(checkCodec({ ...own, numbers: null })).toContain("toNumber");
  });
});
