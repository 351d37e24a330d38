// The chunk table word: what a chunk number stands for. One word per number, so that a change of a
// chunk is one CAS. Numbers are never reused: an emptied chunk returns under a new one.
//
//   bits 0-19 place (index of the chunk's space on its node)   20-27 memory node
//   28-33 size class   34-36 state   37-55 reserved, zero (room for more replicas' generation)
//   56-63 CRC-8

import { assert } from "@pdpm/base";
import { checkedWord, highOf, isChecked, lowOf } from "./checked-word.ts";

/** States of a chunk number. The numbers stand in memory. */
export const ChunkState = { unused: 0, active: 1, retiring: 2, retired: 3 } as const;
/** One of them. */
export type ChunkState = (typeof ChunkState)[keyof typeof ChunkState];

/** A decoded chunk table word. */
export interface TableEntry {
  readonly state: ChunkState;
  readonly sizeClass: number;
  readonly node: number;
  /** The chunk's space on its node starts at the region header's end + place * chunk bytes. */
  readonly place: number;
}

/** Encodes. */
export function tableWord(entry: TableEntry): bigint {
  const { state, sizeClass, node, place } = entry;
  assert(place >= 0 && place < 2 ** 20, `place ${place}`);
  assert(node >= 0 && node < 256, `memory node ${node}`);
  assert(sizeClass >= 0 && sizeClass < 64, `size class ${sizeClass}`);
  const low = place | ((node & 0xff) << 20) | ((sizeClass & 15) << 28);
  return checkedWord(low, (sizeClass >>> 4) | (state << 2));
}

/** Decodes; undefined if the word is damaged. */
export function decodeTable(word: bigint): TableEntry | undefined {
  const low = lowOf(word);
  const high = highOf(word);
  if (!isChecked(low, high) || (high & 0xffffe0) !== 0) return undefined;
  return {
    state: ((high >>> 2) & 7) as ChunkState,
    sizeClass: (low >>> 28) | ((high & 3) << 4),
    node: (low >>> 20) & 0xff,
    place: low & 0xfffff,
  };
}
