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
import { u16At, u32At } from "./bytes.ts";
import { checksum64, isStagedChecksum, stage } from "./checksum.ts";

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
  const checked = bytes.subarray(8, copyHeaderBytes + key.length);
  view.setBigUint64(0, checksum64(checked, BigInt(slot)), true);
  return bytes;
}

/** What a read of a copy found. */
export type CopyCheck = "ok" | "short" | "torn";

/**
 * Verifies the header and key of the copy at `offset` of `bytes`. "short": more bytes must be read
 * before anything can be said.
 */
export function checkHeader(slot: Address, bytes: Uint8Array, offset: number): CopyCheck {
  const size = headerSize(bytes, offset);
  if (typeof size === "string") return size;
  stage(bytes.subarray(offset, offset + size));
  return isStagedChecksum(0, 8, size, slot) ? "ok" : "torn";
}

/** Verifies the value of a copy whose header is good. */
export function checkValue(bytes: Uint8Array, offset: number): CopyCheck {
  const start = valueStart(bytes, offset);
  const end = start + u32At(bytes, offset + 28);
  if (bytes.length < end) return "short";
  stage(bytes.subarray(offset, end));
  return isStagedChecksum(8, start - offset, end - offset) ? "ok" : "torn";
}

/** Both at once, for the price of one copy. */
export function checkCopy(slot: Address, bytes: Uint8Array, offset: number): CopyCheck {
  const size = headerSize(bytes, offset);
  if (typeof size === "string") return size;
  stage(bytes);
  if (!isStagedChecksum(offset, offset + 8, offset + size, slot)) return "torn";
  const start = valueStart(bytes, offset);
  const end = start + u32At(bytes, offset + 28);
  if (bytes.length < end) return "short";
  return isStagedChecksum(offset + 8, start, end) ? "ok" : "torn";
}

/** Bytes of header and key, or why there are none. */
function headerSize(bytes: Uint8Array, offset: number): number | "short" | "torn" {
  if (bytes.length < offset + copyHeaderBytes) return "short";
  const keyBytes = u16At(bytes, offset + 32);
  if (keyBytes === 0 || keyBytes > 1024) return "torn";
  return bytes.length < offset + copyHeaderBytes + keyBytes ? "short" : copyHeaderBytes + keyBytes;
}

function valueStart(bytes: Uint8Array, offset: number): number {
  return offset + valueOffset(u16At(bytes, offset + 32));
}

/** The commit number of a copy whose header is good. */
export function copyCommitNumber(bytes: Uint8Array, offset: number): number {
  return u32At(bytes, offset + 16) + u32At(bytes, offset + 20) * 2 ** 32;
}

/** The fields of a copy whose header is good. */
export function decodeCopy(bytes: Uint8Array, offset: number): SlotCopy {
  return {
    commitNumber: copyCommitNumber(bytes, offset),
    incarnation: u32At(bytes, offset + 24),
    valueBytes: u32At(bytes, offset + 28),
    keyBytes: u16At(bytes, offset + 32),
  };
}
