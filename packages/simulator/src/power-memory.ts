// Memory of which a power failure keeps exactly the unflushed words that the test chooses, so that
// every outcome of one point can be looked at, each in a copy of its own.

import type { Prng } from "@pdpm/base";
import { TwoImages, wordsPerLine } from "./two-images.ts";

/** A word that is not durable: of which memory, and which one. */
export interface DirtyWord {
  readonly node: number;
  readonly word: number;
}

/** Up to so many dirty words every subset of them is tried. */
const allSubsetsMost = 10;
/** Of many dirty words, beside those that are telling, so many drawn subsets. */
const drawnSubsets = 256;

/** See above. */
export class PowerMemory extends TwoImages {
  /** Words written and words made durable, so far. */
  changes = 0;

  /** Indexes of the words that a power failure may lose, oldest first. */
  dirty(): readonly number[] {
    return [...this.dirtyWords];
  }

  /** What a power failure leaves that keeps just these unflushed words. */
  failed(kept: ReadonlySet<number>): PowerMemory {
    const copy = new PowerMemory(this.sizeBytes);
    copy.words.set(this.durable);
    for (const word of kept) copy.words[word] = this.words[word] as bigint;
    copy.durable.set(copy.words);
    return copy;
  }

  /** What is written as it stood before is no change that a failure could undo. */
  protected override touch(word: number): void {
    this.changes += 1;
    if (this.words[word] === this.durable[word]) this.dirtyWords.delete(word);
    else super.touch(word);
  }

  protected override persist(word: number): void {
    this.changes += 1;
    super.persist(word);
  }
}

/** The words of all nodes that are not durable. */
export function dirtyWords(memories: readonly PowerMemory[]): DirtyWord[] {
  return memories.flatMap((memory, node) => memory.dirty().map((word) => ({ node, word })));
}

/**
 * Which subsets of the dirty words a failure keeps, each as indexes: all of them if the words are
 * few; else every prefix, every single omission, every line omitted, and some that are drawn.
 */
export function keptSubsets(
  dirty: readonly DirtyWord[],
  prng: Prng,
): readonly (readonly number[])[] {
  const indexes = dirty.map((_, i) => i);
  const subsets: number[][] = [];
  if (dirty.length <= allSubsetsMost) {
    for (let bits = 0; bits < 2 ** dirty.length; bits += 1) {
      subsets.push(indexes.filter((i) => (bits >> i) % 2 === 1));
    }
    return subsets;
  }
  for (const kept of keptPrefixes(dirty)) subsets.push([...kept]);
  for (const left of indexes.slice(0, -1)) subsets.push(indexes.filter((i) => i !== left));
  const lines = dirty.map(({ node, word }) => `${node} ${Math.floor(word / wordsPerLine)}`);
  for (const line of new Set(lines)) subsets.push(indexes.filter((i) => lines[i] !== line));
  for (let n = 0; n < drawnSubsets; n += 1) subsets.push(indexes.filter(() => prng.chance(0.5)));
  return subsets;
}

/** The first so many of them, for every number: what was written first is kept. */
export function keptPrefixes(dirty: readonly DirtyWord[]): readonly (readonly number[])[] {
  const indexes = dirty.map((_, i) => i);
  return [...indexes.map((i) => indexes.slice(0, i)), indexes];
}

/** The memories after a power failure that keeps these words of `dirty`. */
export function failedMemories(
  memories: readonly PowerMemory[],
  dirty: readonly DirtyWord[],
  kept: readonly number[],
): PowerMemory[] {
  return memories.map((memory, node) => {
    const words = kept.map((i) => dirty[i] as DirtyWord).filter((one) => one.node === node);
    return memory.failed(new Set(words.map(({ word }) => word)));
  });
}
