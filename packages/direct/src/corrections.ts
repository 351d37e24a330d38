// What a damaged word may have been, if one byte of it is wrong: its check byte allows one value
// for each place of that byte. Which of the eight it was is for what it leads to to say.

import { numberOf } from "@pdpm/layout";

const byteCount = 8n;
const bitsPerByte = 8n;

/**
 * The eight words that differ from a damaged one in a single byte and agree with their check byte.
 */
export function correctionsOf(damagedWord: bigint): bigint[] {
  const found: bigint[] = [];
  for (let at = 0n; at < byteCount; at += 1n) {
    for (let flip = 1n; flip < 256n; flip += 1n) {
      const word = damagedWord ^ (flip << (at * bitsPerByte));
      // Every kind of word has the same check byte.
      if (numberOf(word) !== undefined) found.push(word);
    }
  }
  return found;
}

/** Whether two words differ in one byte at most. */
export function isNear(word: bigint, other: bigint): boolean {
  const difference = word ^ other;
  for (let at = 0n; at < byteCount; at += 1n) {
    if ((difference & ~(255n << (at * bitsPerByte))) === 0n) return true;
  }
  return false;
}
