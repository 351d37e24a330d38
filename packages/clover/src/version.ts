// A version as it was read from memory: a private copy of a buffer's bytes, believed only after its
// header, its place and life, its key and its value have verified (H1, H2).

import { Found, isKeyAt, type Key } from "@pdpm/kv";
import {
  type BufferHeader,
  bufferCommitNumber,
  bufferHeaderBytes,
  bufferKeyBytes,
  bufferValueBytes,
  bufferValueOffset,
  checkBody,
  decodeBufferHeader,
  isBufferAtRest,
  type Pointer,
} from "@pdpm/layout";

/** Bytes to read when nothing is known of a version but its place. */
export const firstReadBytes = 1280;

/** What a copy is, as far as its header and key tell. */
export type VersionHead = BufferHeader | "other" | number;

/**
 * The header of a version of `key` in the buffer `pointer`; a number: so many bytes must be read;
 * "other": not this key, not this life, or no intact bytes.
 */
export function versionHead(pointer: Pointer, key: Key, bytes: Uint8Array): VersionHead {
  const header = decodeBufferHeader(bytes);
  if (header === undefined || header.self !== pointer) return "other";
  const keyEnd = bufferHeaderBytes + header.keyBytes;
  if (bytes.length < keyEnd) return keyEnd;
  return isKeyAt(key, bytes, bufferHeaderBytes, header.keyBytes) ? header : "other";
}

/** The value behind a header that verified; a number: so many bytes must be read. */
export function versionValue(
  header: BufferHeader,
  bytes: Uint8Array,
): Uint8Array | "other" | number {
  const start = bufferValueOffset(header.keyBytes);
  const end = start + header.valueBytes;
  const body = checkBody(bytes, header);
  if (body === "short") return end;
  return body === "ok" ? bytes.subarray(start, end) : "other";
}

/**
 * The common case: the latest version of `key`, whole and settled, in the buffer and life of the
 * pointer whose halves are given. Undefined: anything else, and the walk decides.
 */
export function foundAtRest(
  selfLow: number,
  selfHigh: number,
  key: Key,
  image: Uint8Array,
): Found | undefined {
  if (!isBufferAtRest(image, selfLow, selfHigh)) return undefined;
  const keyBytes = bufferKeyBytes(image);
  if (!isKeyAt(key, image, bufferHeaderBytes, keyBytes)) return undefined;
  const start = bufferValueOffset(keyBytes);
  const value = image.subarray(start, start + bufferValueBytes(image));
  return new Found(value, bufferCommitNumber(image));
}

/** Bytes that a read of the whole version takes. */
export function versionBytes(header: BufferHeader): number {
  return bufferValueOffset(header.keyBytes) + header.valueBytes;
}
