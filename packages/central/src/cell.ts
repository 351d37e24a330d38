// A cell as it was read from memory: a private copy of its bytes, believed only after its header,
// its place and life, its key and its value have verified (H1, H2). Nobody writes a cell while it
// is mapped, so bytes that do not verify are damaged, never torn.

import { Found, isKeyAt, type Key } from "@pdpm/kv";
import {
  type BufferHeader,
  bufferHeaderBytes,
  bufferValueOffset,
  checkBody,
  decodeBufferHeader,
  type Pointer,
} from "@pdpm/layout";

/** Bytes to read when nothing is known of a cell but its place. */
export const firstReadBytes = 1280;

/**
 * What a copy is. "wiped": valid once, then its key was deleted, or it was replaced. A number: so
 * many bytes must be read. "bad": not this key, not this life, or no intact bytes.
 */
export type CellCheck = "wiped" | "bad" | number;

/** The header of the cell `pointer` of `key`, also if it is wiped. */
export function cellHeader(
  pointer: Pointer,
  key: Key,
  bytes: Uint8Array,
): BufferHeader | "bad" | number {
  const header = decodeBufferHeader(bytes);
  if (header === undefined || header.self !== pointer) return "bad";
  const keyEnd = bufferHeaderBytes + header.keyBytes;
  if (bytes.length < keyEnd) return keyEnd;
  return isKeyAt(key, bytes, bufferHeaderBytes, header.keyBytes) ? header : "bad";
}

/** The header of the cell `pointer` of `key`, if it counts. */
export function liveHeader(
  pointer: Pointer,
  key: Key,
  bytes: Uint8Array,
): BufferHeader | CellCheck {
  const header = cellHeader(pointer, key, bytes);
  return typeof header === "object" && header.headMark === 0n ? "wiped" : header;
}

/** The value and number in the cell `pointer` of `key`. */
export function liveValue(pointer: Pointer, key: Key, bytes: Uint8Array): Found | CellCheck {
  const header = liveHeader(pointer, key, bytes);
  if (typeof header !== "object") return header;
  const start = bufferValueOffset(header.keyBytes);
  const end = start + header.valueBytes;
  const body = checkBody(bytes, header);
  if (body === "short") return end;
  if (body === "torn") return "bad";
  return new Found(bytes.subarray(start, end), header.commitNumber);
}

/** Bytes of header, key and value: what a read of the whole cell takes. */
export function cellBytes(keyBytes: number, valueBytes: number): number {
  return bufferValueOffset(keyBytes) + valueBytes;
}
