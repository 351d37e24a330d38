// Which record a request goes to. A chooser draws from the records 0 to count - 1, where the count
// only grows (inserts), and from nothing but its Prng.

import { assert, type Prng } from "@pdpm/base";
import { fnv53 } from "./scramble.ts";
import { Zipfian } from "./zipfian.ts";

/** How requests spread over the records. */
export type Distribution = "uniform" | "zipfian" | "latest";

/** Draws record indices. */
export interface RecordChooser {
  /** An index in [0, count). `count` is at least 1 and never smaller than before. */
  next(count: number): number;
}

class UniformChooser implements RecordChooser {
  readonly #prng: Prng;

  constructor(prng: Prng) {
    this.#prng = prng;
  }

  next(count: number): number {
    return this.#prng.below(count);
  }
}

/** Prefers the newest: rank r is the r-th newest record. */
class LatestChooser implements RecordChooser {
  readonly #ranks: Zipfian;

  constructor(prng: Prng, count: number, theta: number) {
    this.#ranks = new Zipfian(prng, count, theta);
  }

  next(count: number): number {
    this.#ranks.grow(count);
    return count - 1 - this.#ranks.next();
  }
}

/**
 * Spreads the ranks of a zipfian over all records by a hash, so that the popular ones are not
 * neighbours. Records that are added must not reshuffle who is popular, as hashing modulo the new
 * count would: the hash is cut down as linear hashing does, so each added record takes over from
 * one other.
 */
class ScrambledZipfianChooser implements RecordChooser {
  readonly #ranks: Zipfian;
  /** The count at the start, times the power of two that makes it reach the count now. */
  #ceiling: number;

  constructor(prng: Prng, count: number, theta: number) {
    this.#ranks = new Zipfian(prng, count, theta);
    this.#ceiling = count;
  }

  next(count: number): number {
    this.#ranks.grow(count);
    while (this.#ceiling < count) this.#ceiling *= 2;
    const hash = fnv53(this.#ranks.next());
    const index = hash % this.#ceiling;
    return index < count ? index : hash % (this.#ceiling / 2);
  }
}

/**
 * A chooser of the given distribution.
 *
 * @param count - How many records there are at the start, at least 1.
 * @param theta - The skew of zipfian and latest, in [0, 1).
 */
export function createChooser(
  prng: Prng,
  distribution: Distribution,
  count: number,
  theta: number,
): RecordChooser {
  assert(count >= 1, `a chooser needs a record, not ${count}`);
  if (distribution === "uniform") return new UniformChooser(prng);
  if (distribution === "latest") return new LatestChooser(prng, count, theta);
  return new ScrambledZipfianChooser(prng, count, theta);
}
