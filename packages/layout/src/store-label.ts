// What a store writes into the label part of its nodes' headers: which store, which design, which
// node of how many. Two words and their checksum; the checksum word makes the label count.
//
// storeWord: design 0-3 | durability 4-5 | nodeId 6-13 | nodeCount 14-21 | log2(chunkBytes) 22-27 |
// chunksMost 28-47 | zero 48-63. Source: FORMAT.md section 1.

import { assert } from "@pdpm/base";
import { chunkNumberLimit } from "./address.ts";
import { checksum64 } from "./checksum.ts";

/** Numbers of the designs in a storeWord; never reused. */
export const designNumber = { direct: 1, central: 2, clover: 3 } as const;
/** One of the three designs. */
export type DesignName = keyof typeof designNumber;

/** Numbers of the durabilities in a storeWord; never reused. */
export const durabilityNumber = { power: 1, process: 2 } as const;
/** What an acknowledged write survives: the machine's death, or any process's. */
export type DurabilityName = keyof typeof durabilityNumber;

/** The fields of a storeWord. */
export interface StoreLabel {
  readonly design: DesignName;
  readonly durability: DurabilityName;
  /** 0-based. */
  readonly nodeId: number;
  /** 1 to 255. */
  readonly nodeCount: number;
  /** A power of two. */
  readonly chunkBytes: number;
  /** How many chunks the store may have over all nodes, 1 to 2^20 - 1. */
  readonly chunksMost: number;
}

const shift = {
  durability: 4n,
  nodeId: 6n,
  nodeCount: 14n,
  chunkLog: 22n,
  chunksMost: 28n,
} as const;
const usedBits = 48n;
/** Of a chunk's size: 4 KiB to 64 MiB. The store's own limits are tighter. */
const chunkLogLeast = 12;
const chunkLogMost = 26;

function field(word: bigint, from: bigint, bits: bigint): number {
  return Number(BigInt.asUintN(Number(bits), word >> from));
}

/** The word of a label. Asserts that every field is in range. */
export function encodeStoreWord(label: StoreLabel): bigint {
  const chunkLog = Math.log2(label.chunkBytes);
  const word =
    BigInt(designNumber[label.design]) |
    (BigInt(durabilityNumber[label.durability]) << shift.durability) |
    (BigInt(label.nodeId) << shift.nodeId) |
    (BigInt(label.nodeCount) << shift.nodeCount) |
    (BigInt(Math.floor(chunkLog)) << shift.chunkLog) |
    (BigInt(label.chunksMost) << shift.chunksMost);
  const reason = invalidStoreWord(word);
  assert(reason === null, reason ?? "");
  const read = decodeStoreWord(word);
  for (const [name, value] of Object.entries(label)) {
    assert(read[name as keyof StoreLabel] === value, `${name} ${value} does not fit its bits`);
  }
  return word;
}

/** Why a word cannot be a storeWord, or null. */
export function invalidStoreWord(word: bigint): string | null {
  const design = field(word, 0n, 4n);
  if (design < 1 || design > 3) return `design ${design} is unknown`;
  const durability = field(word, shift.durability, 2n);
  if (durability < 1 || durability > 2) return `durability ${durability} is unknown`;
  const nodeId = field(word, shift.nodeId, 8n);
  const nodeCount = field(word, shift.nodeCount, 8n);
  if (nodeId >= nodeCount) return `node ${nodeId} of ${nodeCount} nodes cannot be`;
  const chunkLog = field(word, shift.chunkLog, 6n);
  if (chunkLog < chunkLogLeast || chunkLog > chunkLogMost) return `chunks of 2^${chunkLog} bytes`;
  if (field(word, shift.chunksMost, 20n) === 0) return "a store of no chunks";
  return word >> usedBits === 0n ? null : "reserved bits are not zero";
}

/** The fields of a word that `invalidStoreWord` found nothing wrong with. */
export function decodeStoreWord(word: bigint): StoreLabel {
  const design = field(word, 0n, 4n);
  const durability = field(word, shift.durability, 2n);
  return {
    design: design === 1 ? "direct" : design === 2 ? "central" : "clover",
    durability: durability === 1 ? "power" : "process",
    nodeId: field(word, shift.nodeId, 8n),
    nodeCount: field(word, shift.nodeCount, 8n),
    chunkBytes: 2 ** field(word, shift.chunkLog, 6n),
    chunksMost: field(word, shift.chunksMost, 20n),
  };
}

assert(chunkNumberLimit === 2 ** 20, "chunksMost has 20 bits, like a chunk number");

/** The labelChecksum word of a storeId and a storeWord; never 0, which means "not finished". */
export function labelChecksum(storeId: bigint, storeWord: bigint): bigint {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, storeId, true);
  view.setBigUint64(8, storeWord, true);
  const checksum = checksum64(bytes);
  return checksum === 0n ? 1n : checksum;
}

/**
 * Why the three label words are not a finished, intact label, or null. A blank node (storeId 0) and
 * one that is being claimed (labelChecksum 0) are neither: look at those words first.
 */
export function invalidLabel(storeId: bigint, storeWord: bigint, checksum: bigint): string | null {
  if (storeId === 0n) return "the node carries no store";
  if (checksum === 0n) return "the node's label is not finished";
  if (checksum !== labelChecksum(storeId, storeWord)) return "the label's checksum does not match";
  return invalidStoreWord(storeWord);
}
