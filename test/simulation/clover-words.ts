// What a word of a Clover store says, for traces that people read.

import {
  type Address,
  addressIn,
  addressText,
  bufferFields,
  chunkOf,
  gcVersionIn,
  headerChunk,
  headMarkOf,
  isPending,
  isPointer,
  numberOf,
  offsetOf,
  sealOf,
  withoutPending,
} from "@pdpm/layout";

function pointerText(word: bigint): string {
  return `${addressText(addressIn(word))}#${gcVersionIn(word)}`;
}

/** The meaning of `word` at `address`, as far as the address says it. */
export function wordText(address: Address, word: bigint): string {
  if (chunkOf(address) === headerChunk) return `number ${numberOf(word)}`;
  if (word === 0n) return "0";
  const bare = withoutPending(word);
  const isMark = offsetOf(address) % 64 === bufferFields.headMark;
  if (isPointer(bare)) {
    if (isMark) return word === headMarkOf(bare) ? "marked" : `unmarked ${pointerText(bare)}`;
    return `${pointerText(bare)}${isPending(word) ? " pending" : ""}`;
  }
  // A seal is turned back into its pointer by sealing it again.
  const sealed = sealOf(bare) & ~(1n << 63n);
  const pending = isPending(word) ? " pending" : "";
  return isPointer(sealed) ? `sealed ${pointerText(sealed)}${pending}` : `0x${word.toString(16)}`;
}
