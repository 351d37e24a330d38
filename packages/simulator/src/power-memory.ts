// Memory of which a power failure keeps exactly the unflushed words that the test chooses, so that
// every outcome of one point can be looked at, each in a copy of its own.

import type { Prng } from "@pdpm/base";
import type { Memory } from "@pdpm/verbs";

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
export class PowerMemory implements Memory {
  readonly sizeBytes: number;
  readonly #bytes: Uint8Array;
  readonly #words: BigUint64Array;
  readonly #durable: BigUint64Array;
  /** Indexes of words that are not durable, in the order in which they became so. */
  readonly #dirty = new Set<number>();
  /** Words written and words made durable, so far. */
  changes = 0;

  constructor(sizeBytes: number) {
    this.sizeBytes = sizeBytes;
    this.#bytes = new Uint8Array(sizeBytes);
    this.#words = new BigUint64Array(this.#bytes.buffer);
    this.#durable = new BigUint64Array(this.#words.length);
  }

  read(offset: number, target: Uint8Array): void {
    target.set(this.#bytes.subarray(offset, offset + target.length));
  }

  write(offset: number, data: Uint8Array): void {
    this.#bytes.set(data, offset);
    for (let word = offset >> 3; word * 8 < offset + data.length; word += 1) this.#touch(word);
  }

  compareAndSwap(offset: number, expectedWord: bigint, desiredWord: bigint): bigint {
    const index = offset / 8;
    const found = this.#words[index] as bigint;
    if (found !== expectedWord) return found;
    this.#words[index] = desiredWord;
    this.#touch(index);
    return found;
  }

  flush(offset: number, bytes: number): undefined {
    for (const word of [...this.#dirty]) {
      if (word * 8 < offset + bytes && word * 8 + 8 > offset) this.#persist(word);
    }
    return undefined;
  }

  async extend(): Promise<void> {}

  /** Indexes of the words that a power failure may lose, oldest first. */
  dirty(): readonly number[] {
    return [...this.#dirty];
  }

  /** What a power failure leaves that keeps just these unflushed words. */
  failed(kept: ReadonlySet<number>): PowerMemory {
    const copy = new PowerMemory(this.sizeBytes);
    copy.#words.set(this.#durable);
    for (const word of kept) copy.#words[word] = this.#words[word] as bigint;
    copy.#durable.set(copy.#words);
    return copy;
  }

  /** All its bytes as they are seen now. */
  image(): Uint8Array {
    return this.#bytes.slice();
  }

  #touch(word: number): void {
    this.changes += 1;
    if (this.#words[word] === this.#durable[word]) this.#dirty.delete(word);
    else this.#dirty.add(word);
  }

  #persist(word: number): void {
    this.changes += 1;
    this.#durable[word] = this.#words[word] as bigint;
    this.#dirty.delete(word);
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
