// What happens now and then in a run: each with its own probability per micro-step. The step of the
// next time is drawn at once, so that a step at which nothing happens costs nothing.

import type { Prng } from "@pdpm/base";

interface Disturbance {
  readonly chance: number;
  readonly act: () => void;
  nextAt: number;
}

/** The disturbances of one run. */
export class Disturbances {
  readonly #prng: Prng;
  readonly #steps: () => number;
  readonly #all: Disturbance[] = [];

  /** `steps` is the clock. */
  constructor(prng: Prng, steps: () => number) {
    this.#prng = prng;
    this.#steps = steps;
  }

  /** `act` happens from now on after each step with this probability. */
  add(chance: number, act: () => void): void {
    const disturbance = { chance, act, nextAt: 0 };
    this.#plan(disturbance);
    this.#all.push(disturbance);
  }

  /** Nothing happens any more. */
  clear(): void {
    this.#all.length = 0;
  }

  /** What is due happens. */
  happen(): void {
    for (const disturbance of this.#all) {
      if (this.#steps() < disturbance.nextAt) continue;
      this.#plan(disturbance);
      disturbance.act();
    }
  }

  #plan(disturbance: Disturbance): void {
    const { chance } = disturbance;
    const wait = Math.log(1 - this.#prng.float()) / Math.log(1 - chance);
    disturbance.nextAt = this.#steps() + 1 + Math.floor(wait);
  }
}
