// Replies as bytes, for the call slots: plain data of null, booleans, numbers, strings, bigint
// words, byte arrays, arrays and objects. Equal neighbours in an array are written once with their
// number, because the reply of a large batch is mostly the same word again and again.
//
//   tag 0 null, 1 false, 2 true, 3 number, 4 word, 5 text, 6 bytes, 7 array, 8 object

import { unreachable } from "@pdpm/base";
import type { RecordReader, RecordWriter } from "./record-bytes.ts";

/** What a reply may be made of. */
export type ReplyValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly ReplyValue[]
  | { readonly [field: string]: ReplyValue };

/** Replies are flat; whoever nests deeper is damage. */
const depthMost = 8;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function writeText(to: RecordWriter, text: string): void {
  const bytes = encoder.encode(text);
  to.integer(bytes.length);
  to.bytes(bytes);
}

/** Writes a reply. */
export function writeReply(to: RecordWriter, value: ReplyValue): void {
  if (value === null) to.byte(0);
  else if (value === false) to.byte(1);
  else if (value === true) to.byte(2);
  else if (typeof value === "number") {
    to.byte(3);
    to.number(value);
  } else if (typeof value === "bigint") {
    to.byte(4);
    to.word(value);
  } else if (typeof value === "string") {
    to.byte(5);
    writeText(to, value);
  } else if (value instanceof Uint8Array) {
    to.byte(6);
    to.integer(value.length);
    to.bytes(value);
  } else if (Array.isArray(value)) {
    to.byte(7);
    writeArray(to, value);
  } else if (typeof value === "object") {
    to.byte(8);
    const fields = Object.entries(value);
    to.byte(fields.length);
    for (const [name, field] of fields) {
      writeText(to, name);
      writeReply(to, field);
    }
  } else unreachable(value);
}

function writeArray(to: RecordWriter, items: readonly ReplyValue[]): void {
  to.integer(items.length);
  for (let i = 0; i < items.length; ) {
    const item = items[i] as ReplyValue;
    let count = 1;
    while (i + count < items.length && items[i + count] === item) count += 1;
    to.integer(count);
    writeReply(to, item);
    i += count;
  }
}

/** Reads a reply; the reader says whether it was one. */
export function readReply(from: RecordReader, depth = 0): ReplyValue {
  if (depth > depthMost) from.refuse();
  if (from.isBad) return null;
  const tag = from.byte();
  if (tag === 0) return null;
  if (tag === 1) return false;
  if (tag === 2) return true;
  if (tag === 3) return from.number();
  if (tag === 4) return from.word();
  if (tag === 5) return readText(from);
  if (tag === 6) return from.bytes(from.integer());
  if (tag === 7) return readArray(from, depth);
  if (tag === 8) {
    const fields: [string, ReplyValue][] = [];
    for (let left = from.byte(); left > 0 && !from.isBad; left -= 1) {
      fields.push([readText(from), readReply(from, depth + 1)]);
    }
    return Object.fromEntries(fields);
  }
  from.refuse();
  return null;
}

function readText(from: RecordReader): string {
  return decoder.decode(from.bytes(from.integer()));
}

/** More items than any reply has: a damaged count must not fill the memory. */
const itemsMost = 2 ** 16;

function readArray(from: RecordReader, depth: number): readonly ReplyValue[] {
  const length = from.integer();
  if (length > itemsMost) from.refuse();
  const items: ReplyValue[] = [];
  while (items.length < length && !from.isBad) {
    const count = from.integer();
    if (count === 0 || items.length + count > length) {
      from.refuse();
      break;
    }
    const item = readReply(from, depth + 1);
    for (let i = 0; i < count; i += 1) items.push(item);
  }
  return items;
}
