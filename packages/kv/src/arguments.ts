// Arguments that are more than one key and one value: lists of keys and buffers of the caller.

import { isPdpmError } from "@pdpm/base";
import type { Found } from "./backend.ts";
import { type Key, toKey } from "./key.ts";
import { describe, invalid } from "./options.ts";

/** A key as callers give it: 1 to 1024 bytes, or the text that stands for them in UTF-8. */
export type KeyInput = string | Uint8Array;

/** The items of an iterable. @throws PDPM_INVALID_ARGUMENT if it is none, or is text. */
export function listOf<T>(items: Iterable<T>, of: string): T[] {
  const isList = typeof items === "object" && items !== null && Symbol.iterator in items;
  if (!isList) throw invalid(`${of} takes a list, not ${describe(items)}`);
  return [...items];
}

/** Checked keys, in order. @throws PDPM_INVALID_ARGUMENT naming the place of the first bad one. */
export function keysOf(keys: Iterable<KeyInput>, of: string): Key[] {
  return listOf(keys, of).map((key, index) => keyAt(key, index, of));
}

/** One key of several. @throws PDPM_INVALID_ARGUMENT naming its place. */
export function keyAt(key: KeyInput, index: number, of: string): Key {
  try {
    return toKey(key);
  } catch (error) {
    throw isPdpmError(error) ? invalid(`${of}, item ${index}: ${error.text}`, error) : error;
  }
}

/** The bytes that a caller's buffer covers. @throws PDPM_INVALID_ARGUMENT if it is no view. */
export function viewOf(buffer: ArrayBufferView, of: string): Uint8Array {
  if (!ArrayBuffer.isView(buffer)) throw invalid(`${of} takes a buffer, not ${describe(buffer)}`);
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

/**
 * Copies a value to the beginning of `target`; returns its bytes, undefined if there is none.
 * @throws PDPM_INVALID_ARGUMENT if `target` is too small; it is untouched then.
 */
export function copyInto(
  found: Found | undefined,
  target: Uint8Array,
  of: string,
): number | undefined {
  if (found === undefined) return undefined;
  const { length } = found.value;
  if (length > target.length) {
    throw invalid(`${of}: the value takes ${length} bytes, the buffer has only ${target.length}`);
  }
  target.set(found.value);
  return length;
}
