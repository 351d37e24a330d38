// Bench values say who wrote them, and every byte follows from that: a reader can name the write and
// notice any byte that is not its own.
//
//   offset 0   `client:sequence` in decimal digits, without leading zeros
//              0x00
//              4 bytes, the top bit set in each: a 28-bit hash of the text
//              the fill, to the end: the 32-bit words a, a + b, a + 2b, ... (little-endian, counted
//              from offset 0, so no two words of a value are equal); a and b follow from the text
//
// Why a changed byte is always noticed. In the text: the hash multiplies by an odd number modulo 2^28,
// so texts of one length that differ in one byte differ in their hash. In the 0x00: the text would have
// to go on, but no byte of the hash is a digit. In hash and fill: they are compared byte by byte.

import { PdpmError } from "@pdpm/base";

/** Who wrote a value. */
export interface ValueIdentity {
  /** Not negative. */
  readonly client: number;
  /** Not negative; counts the client's writes. */
  readonly sequence: number;
}

const hashBytes = 4;
const digit0 = 0x30;
const colon = 0x3a;
const hashMask = 2 ** 28 - 1;

/** The identity as it stands in values and histories. */
export function formatIdentity({ client, sequence }: ValueIdentity): string {
  return `${client}:${sequence}`;
}

/** The smallest size that can hold a value of this identity, in bytes. */
export function valueBytesMin(identity: ValueIdentity): number {
  return formatIdentity(identity).length + 1 + hashBytes;
}

function mix(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), 0x21f0aaad);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
  return mixed ^ (mixed >>> 15);
}

/** The hash of the text at the start of `bytes`. */
function hashText(bytes: Uint8Array, textBytes: number): number {
  let hash = 0x1c9dc5;
  for (let i = 0; i < textBytes; i += 1)
    hash = Math.imul(hash ^ (bytes[i] ?? 0), 0x1000193) & hashMask;
  return hash;
}

/** The words are a, a + b, a + 2b, ...; b is odd, so they repeat only after 2^32 of them. */
function fillSeeds(hash: number, textBytes: number): readonly [number, number] {
  const first = mix(hash ^ (textBytes << 28));
  return [first, mix(first + 0x9e3779b9) | 1];
}

function hashByte(hash: number, index: number): number {
  return 0x80 | ((hash >>> (7 * index)) & 0x7f);
}

/**
 * Writes a value over all of `target`.
 *
 * @throws PDPM_INVALID_ARGUMENT if `target` is smaller than `valueBytesMin`.
 */
export function fillValue(target: Uint8Array, client: number, sequence: number): void {
  const text = `${client}:${sequence}`;
  const least = text.length + 1 + hashBytes;
  if (target.length < least) {
    throw new PdpmError(
      "PDPM_INVALID_ARGUMENT",
      `a value of ${target.length} bytes cannot hold the identity ${text}: it takes ${least} bytes`,
    );
  }
  for (let i = 0; i < text.length; i += 1) target[i] = text.charCodeAt(i);
  const hash = hashText(target, text.length);
  const [first, step] = fillSeeds(hash, text.length);
  // The header is written last: the words start at offset 0, below it.
  const words = target.length >>> 2;
  let word = first;
  if (target.byteOffset % 4 === 0) {
    const view = new Int32Array(target.buffer, target.byteOffset, words);
    for (let i = 0; i < words; i += 1) {
      view[i] = word;
      word = (word + step) | 0;
    }
  } else {
    const view = new DataView(target.buffer, target.byteOffset, words * 4);
    for (let i = 0; i < words; i += 1) {
      view.setInt32(4 * i, word, true);
      word = (word + step) | 0;
    }
  }
  for (let i = 4 * words; i < target.length; i += 1) target[i] = word >>> (8 * (i % 4));
  for (let i = 0; i < text.length; i += 1) target[i] = text.charCodeAt(i);
  target[text.length] = 0;
  for (let i = 0; i < hashBytes; i += 1) target[text.length + 1 + i] = hashByte(hash, i);
}

/**
 * A new value of `bytes` bytes.
 *
 * @throws PDPM_INVALID_ARGUMENT if that is smaller than `valueBytesMin`.
 */
export function makeValue(client: number, sequence: number, bytes: number): Uint8Array {
  const value = new Uint8Array(bytes);
  fillValue(value, client, sequence);
  return value;
}

/** The number in digits from `from` up to the byte `stop`, or -1 if it is not one in its plain form. */
function parseNumber(bytes: Uint8Array, from: number, stop: number): number {
  let value = 0;
  for (let i = from; i < bytes.length; i += 1) {
    const byte = bytes[i] ?? 0;
    if (byte === stop) {
      const leadingZero = bytes[from] === digit0 && i > from + 1;
      return i === from || leadingZero || !Number.isSafeInteger(value) ? -1 : value;
    }
    if (byte < digit0 || byte > digit0 + 9) return -1;
    value = value * 10 + byte - digit0;
    if (value > Number.MAX_SAFE_INTEGER) return -1;
  }
  return -1;
}

/** Whether the words from offset `from` on are those of the fill. */
function hasFill(bytes: Uint8Array, from: number, first: number, step: number): boolean {
  const start = Math.min(bytes.length, (from + 3) & ~3);
  for (let i = from; i < start; i += 1) {
    const word = (first + Math.imul(step, i >>> 2)) >>> (8 * (i % 4));
    if (bytes[i] !== (word & 0xff)) return false;
  }
  const words = bytes.length >>> 2;
  let word = (first + Math.imul(step, start >>> 2)) | 0;
  const index = start >>> 2;
  if (bytes.byteOffset % 4 === 0) {
    const view = new Int32Array(bytes.buffer, bytes.byteOffset, words);
    for (let i = index; i < words; i += 1) {
      if (view[i] !== word) return false;
      word = (word + step) | 0;
    }
  } else {
    const view = new DataView(bytes.buffer, bytes.byteOffset, words * 4);
    for (let i = index; i < words; i += 1) {
      if (view.getInt32(4 * i, true) !== word) return false;
      word = (word + step) | 0;
    }
  }
  for (let i = Math.max(start, 4 * words); i < bytes.length; i += 1) {
    if (bytes[i] !== ((word >>> (8 * (i % 4))) & 0xff)) return false;
  }
  return true;
}

/** Who wrote these bytes, or null if any of them is not as its writer left it. */
export function readValue(bytes: Uint8Array): ValueIdentity | null {
  const client = parseNumber(bytes, 0, colon);
  if (client < 0) return null;
  const middle = bytes.indexOf(colon);
  const sequence = parseNumber(bytes, middle + 1, 0);
  if (sequence < 0) return null;
  const textBytes = bytes.indexOf(0, middle);
  const hash = hashText(bytes, textBytes);
  const fill = textBytes + 1 + hashBytes;
  if (fill > bytes.length) return null;
  for (let i = 0; i < hashBytes; i += 1) {
    if (bytes[textBytes + 1 + i] !== hashByte(hash, i)) return null;
  }
  const [first, step] = fillSeeds(hash, textBytes);
  return hasFill(bytes, fill, first, step) ? { client, sequence } : null;
}
