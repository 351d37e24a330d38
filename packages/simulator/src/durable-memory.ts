// Memory that a power failure finds half written: what was flushed stands there afterwards, and of
// what was not, any words at all, for a cache writes back what it likes when it likes. It likes
// whole lines, what was written first, or nothing, more often than chance would have it.

import type { Prng } from "@pdpm/base";
import { TwoImages, wordsPerLine } from "./two-images.ts";

/** One node's memory, and what of it is durable. */
export class DurableMemory extends TwoImages {
  /** Some words become durable that nobody flushed. */
  writeBack(prng: Prng, chance: number): void {
    for (const word of [...this.dirtyWords]) if (prng.chance(chance)) this.persist(word);
  }

  /** The power fails: what is not durable is gone. */
  fail(prng: Prng): void {
    const way = prng.below(4);
    if (way === 0) this.writeBack(prng, 0.5);
    else if (way === 1) this.#writeBackLines(prng);
    else if (way === 2) this.#writeBackFirst(prng);
    for (const word of this.dirtyWords) this.words[word] = this.durable[word] as bigint;
    this.dirtyWords.clear();
  }

  #writeBackLines(prng: Prng): void {
    const kept = new Map<number, boolean>();
    for (const word of [...this.dirtyWords]) {
      const line = Math.floor(word / wordsPerLine);
      if (!kept.has(line)) kept.set(line, prng.chance(0.5));
      if (kept.get(line)) this.persist(word);
    }
  }

  #writeBackFirst(prng: Prng): void {
    const words = [...this.dirtyWords];
    for (const word of words.slice(0, prng.below(words.length + 1))) this.persist(word);
  }
}
