// The entry word: a pointer from a bucket to a cell. Entry of a key, `next` of a bucket, and a
// move's intent all have this form. The word 0 means none (chunk 0 is the root chunk, which has no
// cells).
//
//   bits 0-19 offset in 64-byte units   20-39 chunk   40-45 size class   46-54 fingerprint
//   55 pending   56-63 CRC-8
//
// `pending`: the link may not be durable yet; whoever meets it flushes before answering (H7).

import { assert } from "@pdpm/base";
import { type Address, addressOf, cellUnitBytes, chunkOf, offsetOf } from "./address.ts";
import { checkedWord, highOf, isChecked, lowOf } from "./checked-word.ts";

/** A decoded entry word that is not 0. */
export interface Entry {
  readonly cell: Address;
  readonly sizeClass: number;
  readonly fingerprint: number;
  readonly pending: boolean;
}

/** Fingerprints are below this. */
export const fingerprintLimit = 512;

/** Encodes. */
export function entryWord(
  cell: Address,
  sizeClass: number,
  fingerprint: number,
  pending: boolean,
): bigint {
  const chunk = chunkOf(cell);
  const unit = offsetOf(cell) / cellUnitBytes;
  assert(chunk > 0, "no entry points into the root chunk");
  assert(Number.isInteger(unit), `cell ${cell} does not start at a multiple of ${cellUnitBytes}`);
  assert(sizeClass >= 0 && sizeClass < 64, `size class ${sizeClass}`);
  const low = unit | ((chunk & 0xfff) << 20);
  const high = (chunk >>> 12) | (sizeClass << 8) | (fingerprint << 14) | (pending ? 1 << 23 : 0);
  return checkedWord(low, high);
}

/** Decodes; null for the word 0, undefined if the word is damaged. */
export function decodeEntry(word: bigint): Entry | null | undefined {
  if (word === 0n) return null;
  const low = lowOf(word);
  const high = highOf(word);
  if (!isChecked(low, high)) return undefined;
  const chunk = (low >>> 20) | ((high & 0xff) << 12);
  if (chunk === 0) return undefined;
  return {
    cell: addressOf(chunk, (low & 0xfffff) * cellUnitBytes),
    sizeClass: (high >>> 8) & 63,
    fingerprint: (high >>> 14) & 511,
    pending: (high & (1 << 23)) !== 0,
  };
}

/** The same entry without the pending mark. */
export function clearedEntry(word: bigint): bigint {
  const low = lowOf(word);
  return checkedWord(low, highOf(word) & 0x7fffff);
}
