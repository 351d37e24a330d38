// Zipf-distributed ranks: rank r is drawn with a chance proportional to 1 / (r + 1)^theta. The
// method is Gray et al., "Quickly Generating Billion-Record Synthetic Databases" (SIGMOD 1994),
// section 3.2, as in YCSB's ZipfianGenerator: two ranks exactly, the rest by the inverse of a
// continuous approximation.
//
// zeta(n) = sum of k^-theta grows with n one term at a time. A large first n would take n powers;
// the sum beyond the first thousand terms is closed by Euler and Maclaurin's formula, whose next
// term is below 1e-9 of the sum.

import { assert, type Prng } from "@pdpm/base";

/** Terms of zeta that are summed one by one before the formula takes over. */
const zetaTermsMax = 1000;

/** The sum of k^-theta for k from `from` + 1 to `to`. */
function zetaBetween(from: number, to: number, theta: number): number {
  const exactTo = Math.min(to, Math.max(from, zetaTermsMax));
  let sum = 0;
  for (let k = from + 1; k <= exactTo; k += 1) sum += k ** -theta;
  if (exactTo === to) return sum;
  if (to - exactTo === 1) return sum + to ** -theta;
  const area = (to ** (1 - theta) - exactTo ** (1 - theta)) / (1 - theta);
  const ends = (to ** -theta - exactTo ** -theta) / 2;
  const slopes = (theta * (exactTo ** (-theta - 1) - to ** (-theta - 1))) / 12;
  return sum + area + ends + slopes;
}

/** Draws ranks in [0, count), rank 0 most often. The count can grow. */
export class Zipfian {
  readonly #prng: Prng;
  readonly #theta: number;
  readonly #alpha: number;
  /** Below this the drawn mass belongs to rank 1 or 0. */
  readonly #zetaTwo: number;
  #count = 0;
  #zeta = 0;
  #eta = 0;

  /**
   * @param count - At least 1.
   * @param theta - In [0, 1): 0 is uniform, 0.99 is YCSB's.
   */
  constructor(prng: Prng, count: number, theta: number) {
    assert(theta >= 0 && theta < 1, `theta ${theta} must be at least 0 and below 1`);
    assert(Number.isSafeInteger(count) && count >= 1, `count ${count} must be at least 1`);
    this.#prng = prng;
    this.#theta = theta;
    this.#alpha = 1 / (1 - theta);
    this.#zetaTwo = 1 + 0.5 ** theta;
    this.grow(count);
  }

  /** How many ranks there are. */
  get count(): number {
    return this.#count;
  }

  /** Raises the count; costs one power per new rank when there are few of them. */
  grow(count: number): void {
    assert(count >= this.#count, `the count ${this.#count} never shrinks to ${count}`);
    if (count === this.#count) return;
    this.#zeta += zetaBetween(this.#count, count, this.#theta);
    this.#count = count;
    // With one or two ranks the approximation below is never reached; its formula would divide by
    // 0.
    const rest = 1 - this.#zetaTwo / this.#zeta;
    this.#eta = count <= 2 ? 0 : (1 - (2 / count) ** (1 - this.#theta)) / rest;
  }

  /** The next rank. */
  next(): number {
    const drawn = this.#prng.float();
    const mass = drawn * this.#zeta;
    if (mass < 1 || this.#count === 1) return 0;
    if (mass < this.#zetaTwo || this.#count === 2) return 1;
    const scale = (this.#eta * drawn - this.#eta + 1) ** this.#alpha;
    // The product can reach `count` by rounding.
    return Math.min(this.#count - 1, Math.floor(this.#count * scale));
  }
}
