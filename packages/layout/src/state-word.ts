// The state word: of a slot, of a bucket's lock, of a lease record. It always carries the state,
// the incarnation (how many lives the cell has had) and, while somebody holds it, the holder's
// client id. Changed by CAS only. It is the one word that makes changes of a cell's life visible.
//
//   bits 0-25 incarnation   26-52 owner (client id, 0: nobody)   53-55 state   56-63 CRC-8

import { assert } from "@pdpm/base";
import { checkedWord, highOf, isChecked, lowOf } from "./checked-word.ts";

/** States of a cell. The numbers stand in memory; never reused. */
export const CellState = { free: 0, claimed: 1, live: 2, dead: 3, moved: 4 } as const;
/** One of them. */
export type CellState = (typeof CellState)[keyof typeof CellState];

/** Client ids are at most this; they are never reused. */
export const clientIdMost: number = 2 ** 27 - 1;
/** A cell whose incarnation reached this is never handed out again. */
export const incarnationMost: number = 2 ** 26 - 1;

/** A decoded state word. */
export interface CellWord {
  readonly state: CellState;
  readonly incarnation: number;
  /** The client that holds it, or 0. */
  readonly owner: number;
}

/** Encodes. Free with incarnation 0 and no owner is the word 0. */
export function stateWord(state: CellState, incarnation: number, owner: number): bigint {
  assert(incarnation >= 0 && incarnation <= incarnationMost, `incarnation ${incarnation}`);
  assert(owner >= 0 && owner <= clientIdMost, `client id ${owner}`);
  return checkedWord(incarnation | ((owner & 63) << 26), (owner >>> 6) | (state << 21));
}

/** Whether a word, given as its halves, is that of a live cell of this life that nobody holds. */
export function isFreeLive(low: number, high: number, incarnation: number): boolean {
  return low === incarnation && (high & 0xffffff) === CellState.live << 21 && isChecked(low, high);
}

/** Decodes; undefined if the word is damaged or its state is none of ours. */
export function decodeState(word: bigint): CellWord | undefined {
  return decodeStateParts(lowOf(word), highOf(word));
}

/** The same from the word's two halves. */
export function decodeStateParts(low: number, high: number): CellWord | undefined {
  if (!isChecked(low, high)) return undefined;
  const state = (high >>> 21) & 7;
  if (state > CellState.moved) return undefined;
  return {
    state: state as CellState,
    incarnation: low & 0x3ffffff,
    owner: (low >>> 26) | ((high & 0x1fffff) << 6),
  };
}
