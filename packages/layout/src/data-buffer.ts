// A data buffer: one version of one entry, of Clover, and one cell of Central.
//
//   offset bytes
//    0      8    link word: to the next version, to itself, or sealed. Changed by CAS
//    8      8    head mark: headMarkOf(self) in the head of a key's chain, else self; 0 when wiped;
//                pendingHeadMarkOf(self) while it may not be durable
//   16      8    header checksum: xxh64 of bytes 24 to 64
//   24      8    commit number
//   32      8    self: the buffer's own pointer, with its GC version
//   40      8    body checksum: xxh64 of key and value, as they stand from byte 64 on
//   48      4    value bytes
//   52      2    key bytes
//   54     10    reserved, zero
//   64      k    key, padded with zeros to a multiple of 8
//   64+k    v    value
//
// The checksums cover everything but the link and the head mark, so a reader believes a private
// copy exactly when it verifies; a writer that lost a race renews number and checksum in the first
// 64 bytes and leaves the value (H1, H22). Self binds a buffer to its place and life (H2).
// Source: FORMAT.md section 11.

import { assert } from "@pdpm/base";
import { u16At, u32At } from "./bytes.ts";
import { checksum64, isStagedChecksum, stage } from "./checksum.ts";
import type { Pointer } from "./link-word.ts";

/** Bytes before the key. */
export const bufferHeaderBytes = 64;
/** Byte offsets in a data buffer. */
export const bufferFields = {
  link: 0,
  headMark: 8,
  headerChecksum: 16,
  commitNumber: 24,
  self: 32,
  bodyChecksum: 40,
  valueBytes: 48,
  keyBytes: 52,
} as const;
const reservedOffset = 54;

/** Where the value starts behind a key of this many bytes. */
export function bufferValueOffset(keyBytes: number): number {
  return bufferHeaderBytes + ((keyBytes + 7) & ~7);
}

/** Bytes of a whole version, padded to a word. */
export function bufferImageBytes(keyBytes: number, valueBytes: number): number {
  return (bufferValueOffset(keyBytes) + valueBytes + 7) & ~7;
}

/** What a version carries. */
export interface BufferHeader {
  readonly link: bigint;
  readonly headMark: bigint;
  readonly commitNumber: number;
  readonly self: Pointer;
  readonly valueBytes: number;
  readonly keyBytes: number;
}

/** A whole version, not linked to anything, not marked as head. */
export function encodeBuffer(
  self: Pointer,
  commitNumber: number,
  key: Uint8Array,
  value: Uint8Array,
): Uint8Array {
  // Out of Node's pool: memory of its own for every version would cost more than the copy.
  const pooled = Buffer.allocUnsafe(bufferImageBytes(key.length, value.length));
  const bytes = new Uint8Array(pooled.buffer, pooled.byteOffset, pooled.length);
  const view = new DataView(pooled.buffer, pooled.byteOffset, pooled.length);
  bytes.fill(0, 0, bufferHeaderBytes);
  view.setUint32(bufferFields.valueBytes, value.length, true);
  view.setUint16(bufferFields.keyBytes, key.length, true);
  const start = bufferValueOffset(key.length);
  const end = start + value.length;
  bytes.set(key, bufferHeaderBytes);
  bytes.fill(0, bufferHeaderBytes + key.length, start);
  bytes.set(value, start);
  bytes.fill(0, end);
  const body = checksum64(bytes.subarray(bufferHeaderBytes, end));
  view.setBigUint64(bufferFields.bodyChecksum, body, true);
  renewHeader(bytes, self, commitNumber);
  return bytes;
}

/** Gives an image another place, life or commit number; only its first 64 bytes change. */
export function renewHeader(image: Uint8Array, self: Pointer, commitNumber: number): void {
  assert(commitNumber > 0 && Number.isSafeInteger(commitNumber), `commit number ${commitNumber}`);
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  view.setBigUint64(bufferFields.link, self, true);
  view.setBigUint64(bufferFields.headMark, self, true);
  view.setBigUint64(bufferFields.commitNumber, BigInt(commitNumber), true);
  view.setBigUint64(bufferFields.self, self, true);
  view.setBigUint64(bufferFields.headerChecksum, headerChecksum(image), true);
}

function headerChecksum(bytes: Uint8Array): bigint {
  return checksum64(bytes.subarray(bufferFields.commitNumber, bufferHeaderBytes));
}

/**
 * The header at the beginning of `bytes`, if it verifies; undefined when it does not: torn, never
 * written, or damaged.
 */
export function decodeBufferHeader(bytes: Uint8Array): BufferHeader | undefined {
  if (bytes.length < bufferHeaderBytes) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getBigUint64(bufferFields.headerChecksum, true) !== headerChecksum(bytes)) {
    return undefined;
  }
  for (let offset = reservedOffset; offset < bufferHeaderBytes; offset += 2) {
    if (view.getUint16(offset, true) !== 0) return undefined;
  }
  return {
    link: view.getBigUint64(bufferFields.link, true),
    headMark: view.getBigUint64(bufferFields.headMark, true),
    commitNumber: Number(view.getBigUint64(bufferFields.commitNumber, true)),
    self: view.getBigUint64(bufferFields.self, true),
    valueBytes: view.getUint32(bufferFields.valueBytes, true),
    keyBytes: view.getUint16(bufferFields.keyBytes, true),
  };
}

/**
 * Whether `bytes` begin with a whole version in the buffer and life of the pointer whose halves are
 * given, which nothing was linked behind. As `decodeBufferHeader` and `checkBody`, for the price of
 * one copy and no bigint; false says nothing of why.
 */
export function isBufferAtRest(bytes: Uint8Array, selfLow: number, selfHigh: number): boolean {
  if (bytes.length < bufferHeaderBytes) return false;
  if (!isWordAt(bytes, bufferFields.link, selfLow, selfHigh)) return false;
  if (!isWordAt(bytes, bufferFields.self, selfLow, selfHigh)) return false;
  if (!isWordAt(bytes, 56, 0, 0) || u16At(bytes, reservedOffset) !== 0) return false;
  const end = bufferValueOffset(bufferKeyBytes(bytes)) + bufferValueBytes(bytes);
  if (bytes.length < end) return false;
  stage(bytes);
  return (
    isStagedChecksum(bufferFields.headerChecksum, bufferFields.commitNumber, bufferHeaderBytes) &&
    isStagedChecksum(bufferFields.bodyChecksum, bufferHeaderBytes, end)
  );
}

function isWordAt(bytes: Uint8Array, at: number, low: number, high: number): boolean {
  return u32At(bytes, at) === low && u32At(bytes, at + 4) === high;
}

/** Of a version that verified. */
export function bufferKeyBytes(bytes: Uint8Array): number {
  return u16At(bytes, bufferFields.keyBytes);
}

/** Of a version that verified. */
export function bufferValueBytes(bytes: Uint8Array): number {
  return u32At(bytes, bufferFields.valueBytes);
}

/** Of a version that verified. */
export function bufferCommitNumber(bytes: Uint8Array): number {
  const at = bufferFields.commitNumber;
  return u32At(bytes, at) + u32At(bytes, at + 4) * 2 ** 32;
}

/** What is known of the key and value behind a header that verified. */
export type BodyCheck = "ok" | "short" | "torn";

/** Verifies key and value. "short": more bytes must be read before anything can be said. */
export function checkBody(bytes: Uint8Array, header: BufferHeader): BodyCheck {
  const end = bufferValueOffset(header.keyBytes) + header.valueBytes;
  if (bytes.length < end) return "short";
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found = checksum64(bytes.subarray(bufferHeaderBytes, end));
  return view.getBigUint64(bufferFields.bodyChecksum, true) === found ? "ok" : "torn";
}
