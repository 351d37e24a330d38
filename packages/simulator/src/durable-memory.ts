// Memory that a power failure finds half written: what was flushed stands there afterwards, and of
// what was not, any words at all, for a cache writes back what it likes when it likes.

import type { Prng } from "@pdpm/base";
import { TwoImages } from "./two-images.ts";

/** One node's memory, and what of it is durable. */
export class DurableMemory extends TwoImages {
  /** Some words become durable that nobody flushed. */
  writeBack(prng: Prng, chance: number): void {
    for (const word of [...this.dirtyWords]) if (prng.chance(chance)) this.persist(word);
  }

  /** The power fails: what is not durable is gone. */
  fail(prng: Prng): void {
    this.writeBack(prng, 0.5);
    for (const word of this.dirtyWords) this.words[word] = this.durable[word] as bigint;
    this.dirtyWords.clear();
  }
}
