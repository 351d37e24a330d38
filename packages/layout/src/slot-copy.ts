// One copy of an entry in a slot of pDPM-Direct, committed or uncommitted: the same bytes in both.
//
//   offset bytes
//    0      8    header checksum: xxh64 of bytes 8 to 40 and the key, seeded with the slot address
//    8      8    value checksum: xxh64 of the value
//   16      8    commit number
//   24      4    incarnation of the slot
//   28      4    value bytes
//   32      2    key bytes
//   34      6    reserved, zero
//   40      k    key, padded with zeros to a multiple of 8
//   40+k    v    value, padded with zeros to a multiple of 8
//
// The header verifies without the value, so a writer that holds the lock reads 40 bytes and the
// key. The seed binds a copy to its place: a copy of another slot, or of an earlier life, never
// verifies.

import { assert } from "@pdpm/base";
import type { Address } from "./address.ts";
import { checksum64 } from "./checksum.ts";

/** Bytes before the key. */
export const copyHeaderBytes = 40;

/** What stands in a copy. */
export interface SlotCopy {
  readonly commitNumber: number;
  readonly incarnation: number;
  readonly keyBytes: number;
  readonly valueBytes: number;
}

function padded(bytes: number): number {
  return (bytes + 7) & ~7;
}

/** Bytes of header and key, padding included: where the value starts. */
export function valueOffset(keyBytes: number): number {
  return copyHeaderBytes + padded(keyBytes);
}

/** Bytes of a whole copy. */
export function copyBytes(keyBytes: number, valueBytes: number): number {
  return valueOffset(keyBytes) + padded(valueBytes);
}

/** Encodes a copy for the slot at `slot`. */
export function encodeCopy(
  slot: Address,
  commitNumber: number,
  incarnation: number,
  key: Uint8Array,
  value: Uint8Array,
): Uint8Array {
  assert(commitNumber > 0 && Number.isSafeInteger(commitNumber), `commit number ${commitNumber}`);
  const bytes = new Uint8Array(copyBytes(key.length, value.length));
  const view = new DataView(bytes.buffer);
  view.setBigUint64(8, checksum64(value), true);
  view.setBigUint64(16, BigInt(commitNumber), true);
  view.setUint32(24, incarnation, true);
  view.setUint32(28, value.length, true);
  view.setUint16(32, key.length, true);
  bytes.set(key, copyHeaderBytes);
  bytes.set(value, valueOffset(key.length));
  view.setBigUint64(0, headerChecksum(slot, bytes, 0, key.length), true);
  return bytes;
}

function headerChecksum(
  slot: Address,
  bytes: Uint8Array,
  offset: number,
  keyBytes: number,
): bigint {
  return checksum64(bytes.subarray(offset + 8, offset + copyHeaderBytes + keyBytes), BigInt(slot));
}

/** What a read of a copy found. */
export type CopyCheck = "ok" | "short" | "torn";

/**
 * Verifies the header and key of the copy at `offset` of `bytes`; `view` is over the same bytes.
 * "short": more bytes must be read before anything can be said.
 */
export function checkHeader(
  slot: Address,
  bytes: Uint8Array,
  view: DataView,
  offset: number,
): CopyCheck {
  if (bytes.length < offset + copyHeaderBytes) return "short";
  const keyBytes = view.getUint16(offset + 32, true);
  if (keyBytes === 0 || keyBytes > 1024) return "torn";
  if (bytes.length < offset + copyHeaderBytes + keyBytes) return "short";
  const expected = view.getBigUint64(offset, true);
  return expected === headerChecksum(slot, bytes, offset, keyBytes) ? "ok" : "torn";
}

/** Verifies the value of a copy whose header is good. */
export function checkValue(bytes: Uint8Array, view: DataView, offset: number): CopyCheck {
  const start = offset + valueOffset(view.getUint16(offset + 32, true));
  const end = start + view.getUint32(offset + 28, true);
  if (bytes.length < end) return "short";
  const expected = view.getBigUint64(offset + 8, true);
  return expected === checksum64(bytes.subarray(start, end)) ? "ok" : "torn";
}

/** The fields of a copy whose header is good. */
export function decodeCopy(view: DataView, offset: number): SlotCopy {
  return {
    commitNumber: Number(view.getBigUint64(offset + 16, true)),
    incarnation: view.getUint32(offset + 24, true),
    valueBytes: view.getUint32(offset + 28, true),
    keyBytes: view.getUint16(offset + 32, true),
  };
}
