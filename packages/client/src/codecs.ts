// The codecs that come with the library: bytes, text, JSON, MessagePack, typed arrays, or the
// caller's own. A value that a codec cannot give back as it was is refused where that can be seen:
// text with a lone surrogate, bytes that are not UTF-8, undefined, functions.

import { createRequire } from "node:module";
import { PdpmError } from "@pdpm/base";
import { type Codec, decimalOf, describe, finite, type NumberForm } from "@pdpm/kv";
import type { Packr } from "msgpackr";
import { typedArray } from "./typed-array-codec.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
// Plain mode: no shared structures, so a value can be read alone, by any process, in any language.
// `moreTypes`, because without it msgpackr writes typed arrays and sets as something else.
let packrAtHand: Packr | undefined;

/** Loaded at first use: most programs, and every command, never need it. */
function packr(): Packr {
  if (packrAtHand === undefined) {
    const msgpackr = createRequire(import.meta.url)("msgpackr") as typeof import("msgpackr");
    packrAtHand = new msgpackr.Packr({ useRecords: false, variableMapSize: true, moreTypes: true });
  }
  return packrAtHand;
}

function invalid(text: string): PdpmError {
  return new PdpmError("PDPM_INVALID_ARGUMENT", text);
}

function bytesText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}

/** Values as they are. Numbers stand as decimal text in ASCII. */
export const bytesCodec: Codec<Uint8Array> = {
  name: "bytes",
  encode(value) {
    if (value instanceof Uint8Array) return value;
    throw invalid(`needs a Uint8Array, not ${describe(value)}; or open with another codec`);
  },
  decode: (bytes) => bytes,
  numbers: {
    toNumber: (value) => decimalOf(bytesText(value)),
    toValue: (number) => encoder.encode(String(number)),
  },
};

/** Text. Numbers stand as decimal text. */
export const utf8Codec: Codec<string> = {
  name: "utf8",
  encode(value) {
    if (typeof value !== "string") throw invalid(`needs text, not ${describe(value)}`);
    if (!value.isWellFormed()) throw invalid("the text has a lone surrogate");
    return encoder.encode(value);
  },
  decode: (bytes) => decoder.decode(bytes),
  numbers: { toNumber: decimalOf, toValue: String },
};

const plainNumbers: NumberForm<unknown> = { toNumber: finite, toValue: (number) => number };

const anyJson: Codec<unknown> = {
  name: "json",
  encode(value) {
    const text: string | undefined = JSON.stringify(value);
    if (text === undefined) throw invalid(`JSON cannot hold ${describe(value)}`);
    return encoder.encode(text);
  },
  decode: (bytes) => JSON.parse(decoder.decode(bytes)),
  numbers: plainNumbers,
};

const anyMsgpack: Codec<unknown> = {
  name: "msgpack",
  encode(value) {
    if (value === undefined || typeof value === "function") {
      throw invalid(`MessagePack cannot hold ${describe(value)}`);
    }
    return packr().pack(value);
  },
  decode: (bytes) => packr().unpack(bytes),
  numbers: plainNumbers,
};

/** JSON, for values that `JSON.stringify` keeps. */
export function jsonCodec<V = unknown>(): Codec<V> {
  return anyJson as Codec<V>;
}

/**
 * MessagePack by msgpackr, each value on its own. Sets, dates, typed arrays, regular expressions
 * and errors come back as what they were; a Map comes back as an object.
 */
export function msgpackCodec<V = unknown>(): Codec<V> {
  return anyMsgpack as Codec<V>;
}

/** The type of the values of each codec that has a name. */
export interface NamedValues {
  readonly bytes: Uint8Array;
  readonly utf8: string;
  readonly json: unknown;
  readonly msgpack: unknown;
  readonly int8: Int8Array;
  readonly uint8: Uint8Array;
  readonly int16: Int16Array;
  readonly uint16: Uint16Array;
  readonly int32: Int32Array;
  readonly uint32: Uint32Array;
  readonly int64: BigInt64Array;
  readonly uint64: BigUint64Array;
  readonly float32: Float32Array;
  readonly float64: Float64Array;
}

/** A codec by its name. */
export type CodecName = keyof NamedValues;

/** The codecs that have names. */
export const codecs: { readonly [N in CodecName]: Codec<NamedValues[N]> } = {
  bytes: bytesCodec,
  utf8: utf8Codec,
  json: anyJson,
  msgpack: anyMsgpack,
  int8: typedArray(Int8Array),
  uint8: typedArray(Uint8Array),
  int16: typedArray(Int16Array),
  uint16: typedArray(Uint16Array),
  int32: typedArray(Int32Array),
  uint32: typedArray(Uint32Array),
  int64: typedArray(BigInt64Array),
  uint64: typedArray(BigUint64Array),
  float32: typedArray(Float32Array),
  float64: typedArray(Float64Array),
};

/** Why `value` is neither the name of a codec nor a codec, or null. */
export function checkCodec(value: unknown): string | null {
  if (typeof value === "string") {
    if (Object.hasOwn(codecs, value)) return null;
    return `must be a codec or the name of one (${Object.keys(codecs).join(", ")})`;
  }
  if (typeof value !== "object" || value === null) return "must be a codec or the name of one";
  const { name, encode, decode, numbers } = value as Record<keyof Codec<unknown>, unknown>;
  if (typeof name !== "string" || name === "") return "must have a name";
  if (typeof encode !== "function") return "must have a function encode";
  if (typeof decode !== "function") return "must have a function decode";
  if (numbers === undefined) return null;
  const { toNumber, toValue } = (numbers ?? {}) as Record<keyof NumberForm<unknown>, unknown>;
  const isWhole = typeof toNumber === "function" && typeof toValue === "function";
  return isWhole ? null : "must have numbers with the functions toNumber and toValue, or none";
}

/** The codec that a checked option means. */
export function codecOf<V>(choice: CodecName | Codec<V>): Codec<V> {
  return typeof choice === "string" ? (codecs[choice] as unknown as Codec<V>) : choice;
}
