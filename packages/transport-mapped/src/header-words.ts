// The words of a mapped region's header by name. Every access is atomic between processes; none is
// durable before a flush of the header. They work on a poisoned region too: someone must clear it.

import { PdpmError } from "@pdpm/base";
import { type HeaderWordName, headerWordOffset } from "@pdpm/layout/region-header";

/** What every use after close reports. */
export function closedError(): PdpmError {
  return new PdpmError("PDPM_CLOSED", "the region was closed");
}

/** Atomic access to the header of one mapped region. */
export class HeaderWords {
  #words: BigInt64Array | undefined;

  /** `words` is the region's first window. */
  constructor(words: BigInt64Array) {
    this.#words = words;
  }

  /** The word, unsigned. @throws PDPM_CLOSED, like every method. */
  load(name: HeaderWordName): bigint {
    return BigInt.asUintN(64, Atomics.load(this.#open(), headerWordOffset[name] / 8));
  }

  /** Replaces the word whatever it is. */
  store(name: HeaderWordName, word: bigint): void {
    Atomics.store(this.#open(), headerWordOffset[name] / 8, BigInt.asIntN(64, word));
  }

  /** Returns the word found; it was replaced if and only if that equals `expectedWord`. */
  compareAndSwap(name: HeaderWordName, expectedWord: bigint, desiredWord: bigint): bigint {
    const index = headerWordOffset[name] / 8;
    const found = Atomics.compareExchange(this.#open(), index, expectedWord, desiredWord);
    return BigInt.asUintN(64, found);
  }

  /** Adds to the word, modulo 2^64, and returns what it was before. */
  fetchAdd(name: HeaderWordName, by: bigint): bigint {
    return BigInt.asUintN(64, Atomics.add(this.#open(), headerWordOffset[name] / 8, by));
  }

  /** Raises the word to `word` unless it is higher already. Never lowers it. */
  raise(name: HeaderWordName, word: bigint): void {
    let found = this.load(name);
    // Ends: each turn that fails saw the word rise.
    while (found < word) {
      const before = found;
      found = this.compareAndSwap(name, before, word);
      if (found === before) return;
    }
  }

  /** From now on every use throws PDPM_CLOSED; the memory may be unmapped. */
  close(): void {
    this.#words = undefined;
  }

  #open(): BigInt64Array {
    if (this.#words === undefined) throw closedError();
    return this.#words;
  }
}
