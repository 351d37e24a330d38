// An 8-byte word that carries 56 bits of payload and a CRC-8 of them in its top byte. Words that
// stand alone in memory (locks, pointers, counters) have no other checksum, and a flipped byte in
// one must not lead to a wrong answer. The word 0 is valid: CRC-8 of zeros is 0.
//
// Payloads are handled as their low 32 and high 24 bits, because a bigint per field would cost more
// than the memory access it describes.

import { crc8Of56 } from "./checksum.ts";

/** The word with this payload: low 32 bits and high 24 bits. */
export function checkedWord(low: number, high: number): bigint {
  const top = ((high & 0xffffff) | (crc8Of56(low >>> 0, high) << 24)) >>> 0;
  return (BigInt(top) << 32n) | BigInt(low >>> 0);
}

/** The low 32 bits of a word. */
export function lowOf(word: bigint): number {
  return Number(word & 0xffffffffn);
}

/** The high 32 bits of a word, check byte included. */
export function highOf(word: bigint): number {
  return Number(word >> 32n);
}

/** Whether the check byte is right. */
export function isChecked(low: number, high: number): boolean {
  return crc8Of56(low >>> 0, high & 0xffffff) === high >>> 24;
}

const wordBytes = new Uint8Array(8);
const words = new BigUint64Array(wordBytes.buffer);

/** The word at byte `offset` of `bytes`. No view is made: it would cost more than the word. */
export function wordAt(bytes: Uint8Array, offset: number): bigint {
  if (offset < 0 || offset + 8 > bytes.length) throw new RangeError(`no word at ${offset}`);
  for (let i = 0; i < 8; i += 1) wordBytes[i] = bytes[offset + i] as number;
  return words[0] as bigint;
}

/** A word that holds a number below 2^53 (floors, counters, generations). */
export function numberWord(value: number): bigint {
  return checkedWord(value >>> 0, Math.floor(value / 2 ** 32));
}

/** The number in such a word, or undefined if the word is damaged. */
export function numberOf(word: bigint): number | undefined {
  const high = highOf(word);
  const low = lowOf(word);
  return isChecked(low, high) ? (high & 0xffffff) * 2 ** 32 + low : undefined;
}
