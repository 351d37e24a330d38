// A record of the metadata store: its name (store key and kind of value), and its value as bytes:
//
//   version byte | fields | the low 32 bits of xxh64 over both
//
// Bytes that do not verify, or do not decode to the very end, are PDPM_CORRUPT naming the record;
// they are never guessed at.

import { assert, PdpmError } from "@pdpm/base";
import { checksum64 } from "@pdpm/layout";
import { RecordReader, RecordWriter } from "./record-bytes.ts";
import type { StoreKey } from "./store.ts";

const formatVersion = 1;
const checksumBytes = 4;

/** How values of one kind are written and read. */
export interface RecordKind<T> {
  write(to: RecordWriter, value: T): void;
  read(from: RecordReader): T;
}

/** Names one record; its value is a `T`. */
export interface RecordName<T> {
  readonly key: StoreKey;
  readonly kind: RecordKind<T>;
}

const to = new RecordWriter();

/** A value as bytes. */
export function encodeRecord<T>(kind: RecordKind<T>, value: T): Uint8Array {
  to.clear();
  to.byte(formatVersion);
  kind.write(to, value);
  to.integer(checksumOf(to.written));
  return to.finish();
}

function checksumOf(bytes: Uint8Array): number {
  return Number(BigInt.asUintN(32, checksum64(bytes)));
}

/** The value in `bytes`. @throws PDPM_CORRUPT naming the record. */
export function decodeRecord<T>({ key, kind }: RecordName<T>, bytes: Uint8Array): T {
  const end = bytes.length - checksumBytes;
  if (end <= 0) throw corruptRecord(key);
  const checksum = new RecordReader(bytes, end).integer();
  if (checksum !== checksumOf(bytes.subarray(0, end))) throw corruptRecord(key);
  const from = new RecordReader(bytes, 0, end);
  if (from.byte() !== formatVersion) throw corruptRecord(key);
  const value = kind.read(from);
  if (from.isBad || from.left > 0) throw corruptRecord(key);
  return value;
}

/** The error for a record that does not verify, or contradicts another one. */
export function corruptRecord(key: StoreKey, reason = "does not verify"): PdpmError {
  return new PdpmError("PDPM_CORRUPT", `the metadata record ${JSON.stringify(key)} ${reason}`);
}

/** A number of a store key, in as many digits. */
export function hex(value: number, digits: number): string {
  const text = value.toString(16).padStart(digits, "0");
  assert(text.length === digits, `${value} has more than ${digits} digits`);
  return text;
}

/** The first store key behind all that begin with `prefix`. */
export function endOf(prefix: StoreKey): StoreKey {
  const bare = prefix.replace(/\xff+$/, "");
  assert(bare.length > 0, "a prefix of nothing but 0xff has no end");
  const last = bare.length - 1;
  return bare.slice(0, last) + String.fromCharCode(bare.charCodeAt(last) + 1);
}
