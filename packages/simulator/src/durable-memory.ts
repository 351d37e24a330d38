// Memory that a power failure finds half written: what was flushed stands there afterwards, and of
// what was not, any words at all, for a cache writes back what it likes when it likes.

import type { Prng } from "@pdpm/base";
import type { Memory } from "@pdpm/verbs";

/** One node's memory, and what of it is durable. */
export class DurableMemory implements Memory {
  readonly sizeBytes: number;
  readonly #bytes: Uint8Array;
  readonly #words: BigUint64Array;
  readonly #durable: BigUint64Array;
  /** Indexes of words that may differ from what is durable. */
  readonly #dirty = new Set<number>();

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
    for (const word of wordsOf(offset, data.length)) this.#dirty.add(word);
  }

  compareAndSwap(offset: number, expectedWord: bigint, desiredWord: bigint): bigint {
    const index = offset / 8;
    const found = this.#words[index] as bigint;
    if (found === expectedWord) {
      this.#words[index] = desiredWord;
      this.#dirty.add(index);
    }
    return found;
  }

  flush(offset: number, bytes: number): undefined {
    for (const word of wordsOf(offset, bytes)) if (this.#dirty.has(word)) this.#persist(word);
    return undefined;
  }

  async extend(): Promise<void> {}

  /** Some words become durable that nobody flushed. */
  writeBack(prng: Prng, chance: number): void {
    for (const word of [...this.#dirty]) if (prng.chance(chance)) this.#persist(word);
  }

  /** The power fails: what is not durable is gone. */
  fail(prng: Prng): void {
    this.writeBack(prng, 0.5);
    for (const word of this.#dirty) this.#words[word] = this.#durable[word] as bigint;
    this.#dirty.clear();
  }

  #persist(word: number): void {
    this.#durable[word] = this.#words[word] as bigint;
    this.#dirty.delete(word);
  }
}

function* wordsOf(offset: number, bytes: number): Iterable<number> {
  for (let word = offset >> 3; word * 8 < offset + bytes; word += 1) yield word;
}
