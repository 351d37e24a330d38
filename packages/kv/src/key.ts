// Keys: 1 to 1024 bytes, given as text or as bytes; text stands for its UTF-8 bytes.
//
// Inside, a key is one canonical string, so that it can index a Map: UTF-8 text as it is, and bytes
// that are not UTF-8 as a low surrogate followed by one character per byte. No text collides with
// those: well-formed text never begins with a low surrogate (with a high one it does: U+10000).

import { PdpmError } from "@pdpm/base";

declare const isKey: unique symbol;
/** A checked key in canonical form. */
export type Key = string & { readonly [isKey]: true };

/** The longest key, in bytes. */
export const keyBytesMost = 1024;
/** The longest value, in bytes. */
export const valueBytesMost: number = 1024 * 1024;

const bytesMark = "\udc00";
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * The canonical form of a key.
 * @throws PDPM_INVALID_ARGUMENT if it is empty, too long, not well-formed text, or neither text nor
 *   bytes.
 */
export function toKey(key: string | Uint8Array): Key {
  if (typeof key === "string") {
    if (key.length === 0) throw invalid("a key needs at least 1 byte");
    if (!key.isWellFormed()) throw invalid("a key's text has a lone surrogate; give bytes instead");
    // A character takes at most 3 bytes per unit, so short text needs no counting.
    if (key.length * 3 > keyBytesMost) checkLength(Buffer.byteLength(key));
    return key as Key;
  }
  if (!(key instanceof Uint8Array)) throw invalid(`a key is text or bytes, not ${typeof key}`);
  if (key.length === 0) throw invalid("a key needs at least 1 byte");
  checkLength(key.length);
  try {
    return decoder.decode(key) as Key;
  } catch {
    // Not UTF-8: this is the other canonical form, not a failure.
    return (bytesMark + Buffer.from(key).toString("latin1")) as Key;
  }
}

function checkLength(bytes: number): void {
  if (bytes > keyBytesMost) {
    throw invalid(`a key of ${bytes} bytes is over the limit of ${keyBytesMost}`);
  }
}

function invalid(text: string): PdpmError {
  return new PdpmError("PDPM_INVALID_ARGUMENT", text);
}

/** Whether the bytes of a key are UTF-8; then its canonical form is their text. */
export function isTextKey(key: Key): boolean {
  return key.charCodeAt(0) !== 0xdc00;
}

/** The bytes of a key, as they stand in memory. */
export function keyBytes(key: Key): Uint8Array {
  if (!isTextKey(key)) return Buffer.from(key.slice(1), "latin1");
  return asciiBytes(key) ?? Buffer.from(key, "utf8");
}

/** Up to this length a loop is faster than Node's encoder. */
const shortMost = 64;

/** Most keys are short ASCII. Undefined for any other. */
function asciiBytes(key: Key): Uint8Array | undefined {
  const { length } = key;
  if (length > shortMost) return undefined;
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i += 1) {
    const code = key.charCodeAt(i);
    if (code >= 0x80) return undefined;
    bytes[i] = code;
  }
  return bytes;
}

/** Whether `bytes` from `offset` to `offset + length` are those of `key`. */
export function isKeyAt(key: Key, bytes: Uint8Array, offset: number, length: number): boolean {
  if (key.length === length) {
    // Most keys are ASCII: compare without encoding.
    let i = 0;
    while (i < length && key.charCodeAt(i) < 0x80 && key.charCodeAt(i) === bytes[offset + i])
      i += 1;
    if (i === length) return true;
    if (key.charCodeAt(i) < 0x80) return false;
  }
  const expected = keyBytes(key);
  if (expected.length !== length) return false;
  return expected.every((byte, i) => byte === bytes[offset + i]);
}

/** A key for messages: text as it is, bytes in hexadecimal, long ones cut. */
export function keyText(key: Key): string {
  if (isTextKey(key)) return JSON.stringify(key.length > 80 ? `${key.slice(0, 77)}...` : key);
  const hex = `0x${Buffer.from(keyBytes(key)).toString("hex")}`;
  return hex.length > 80 ? `${hex.slice(0, 77)}...` : hex;
}
