// One node's memory in two images: what everybody sees, and what a power failure leaves of it. A
// word is dirty while the two may differ; a flush makes what it covers durable.

import type { Memory } from "@pdpm/verbs";

/** Words of a line of 64 bytes. */
export const wordsPerLine = 8;

/** See above. What a failure leaves is for the kinds of it to say. */
export abstract class TwoImages implements Memory {
  readonly sizeBytes: number;
  readonly #bytes: Uint8Array;
  protected readonly words: BigUint64Array;
  protected readonly durable: BigUint64Array;
  /** Indexes of dirty words, in the order in which they became so. */
  protected readonly dirtyWords: Set<number> = new Set<number>();

  constructor(sizeBytes: number) {
    this.sizeBytes = sizeBytes;
    this.#bytes = new Uint8Array(sizeBytes);
    this.words = new BigUint64Array(this.#bytes.buffer);
    this.durable = new BigUint64Array(this.words.length);
  }

  read(offset: number, target: Uint8Array): void {
    target.set(this.#bytes.subarray(offset, offset + target.length));
  }

  write(offset: number, data: Uint8Array): void {
    this.#bytes.set(data, offset);
    for (const word of wordsOf(offset, data.length)) this.touch(word);
  }

  compareAndSwap(offset: number, expectedWord: bigint, desiredWord: bigint): bigint {
    const index = offset / 8;
    const found = this.words[index] as bigint;
    if (found === expectedWord) {
      this.words[index] = desiredWord;
      this.touch(index);
    }
    return found;
  }

  flush(offset: number, bytes: number): undefined {
    for (const word of wordsOf(offset, bytes)) if (this.dirtyWords.has(word)) this.persist(word);
    return undefined;
  }

  async extend(): Promise<void> {}

  /** All its bytes as they are seen now. */
  image(): Uint8Array {
    return this.#bytes.slice();
  }

  /** A word was written. */
  protected touch(word: number): void {
    this.dirtyWords.add(word);
  }

  /** A word becomes durable. */
  protected persist(word: number): void {
    this.durable[word] = this.words[word] as bigint;
    this.dirtyWords.delete(word);
  }
}

function* wordsOf(offset: number, bytes: number): Iterable<number> {
  for (let word = offset >> 3; word * 8 < offset + bytes; word += 1) yield word;
}
