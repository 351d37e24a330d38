// Memory of which a power failure keeps exactly the unflushed words that the test chooses, so that
// every outcome of one point can be looked at, each in a copy of its own.

import type { Prng } from "@pdpm/base";
import { TwoImages } from "./two-images.ts";

/** A word that is not durable: of which memory, and which one. */
export interface DirtyWord {
  readonly node: number;
  readonly word: number;
}

/** Up to so many dirty words every subset of them is tried. */
const allSubsetsMost = 6;
/** Beyond, beside every prefix and every single omission, so many drawn ones. */
const drawnSubsets = 32;

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

/** Which subsets of so many dirty words a failure keeps, each as indexes; none twice. */
export function keptSubsets(count: number, prng: Prng): readonly (readonly number[])[] {
  const indexes = Array.from({ length: count }, (_, i) => i);
  const subsets: number[][] = [];
  if (count <= allSubsetsMost) {
    for (let bits = 0; bits < 2 ** count; bits += 1) {
      subsets.push(indexes.filter((i) => (bits >> i) % 2 === 1));
    }
    return subsets;
  }
  for (let length = 0; length <= count; length += 1) subsets.push(indexes.slice(0, length));
  for (const left of indexes.slice(0, -1)) subsets.push(indexes.filter((i) => i !== left));
  for (let n = 0; n < drawnSubsets; n += 1) subsets.push(indexes.filter(() => prng.chance(0.5)));
  return subsets;
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
