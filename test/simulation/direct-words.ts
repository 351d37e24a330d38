// What a word of a Direct store says, for traces that people read.

import {
  type Address,
  addressText,
  CellState,
  chunkOf,
  decodeEntry,
  decodeState,
  decodeTable,
  numberOf,
  offsetOf,
  RootGeometry,
} from "@pdpm/layout";
import { chunkBytes } from "./direct-keys.ts";

const stateNames = Object.keys(CellState);

function stateText(word: bigint): string {
  const state = decodeState(word);
  if (state === undefined) return `damaged 0x${word.toString(16)}`;
  const owner = state.owner === 0 ? "" : ` held by ${state.owner}`;
  return `${stateNames[state.state]}#${state.incarnation}${owner}`;
}

function entryText(word: bigint): string {
  const entry = decodeEntry(word);
  if (entry === undefined) return `damaged 0x${word.toString(16)}`;
  if (entry === null) return "none";
  const pending = entry.pending ? " pending" : "";
  return `[${addressText(entry.cell)} class ${entry.sizeClass} print ${entry.fingerprint}${pending}]`;
}

/** The meaning of `word` at `address`, as far as the address says it. */
export function wordText(address: Address, word: bigint): string {
  const offset = offsetOf(address);
  const geometry = new RootGeometry(chunkBytes);
  if (chunkOf(address) > 0) {
    // Cells start at multiples of 64 bytes; what is swapped elsewhere is an entry in an overflow
    // bucket.
    return offset % 64 === 0 ? stateText(word) : entryText(word);
  }
  if (offset >= chunkBytes / 2) {
    const field = offset % 256;
    if (field === 0) return word === 0n ? "unlocked" : stateText(word);
    return field === 16 ? `floor ${numberOf(word)}` : entryText(word);
  }
  if (offset >= geometry.tableWord(0)) return JSON.stringify(decodeTable(word));
  if (offset === 0 || (offset >= 4096 && offset % 64 === 0)) return stateText(word);
  return String(numberOf(word));
}
