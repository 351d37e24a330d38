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
  readonly #all: Disturbance[] = [];

  constructor(prng: Prng) {
    this.#prng = prng;
  }

  /** `act` happens from step `now` on after each step with this probability. */
  add(chance: number, act: () => void, now: number): void {
    const disturbance = { chance, act, nextAt: 0 };
    this.#plan(disturbance, now);
    this.#all.push(disturbance);
  }

  /** Nothing happens any more. */
  clear(): void {
    this.#all.length = 0;
  }

  /** What is due at step `now` happens; `steps` says how late it is by then. */
  happen(steps: () => number): void {
    for (const disturbance of this.#all) {
      if (steps() < disturbance.nextAt) continue;
      this.#plan(disturbance, steps());
      disturbance.act();
    }
  }

  #plan(disturbance: Disturbance, now: number): void {
    const { chance } = disturbance;
    const wait = Math.log(1 - this.#prng.float()) / Math.log(1 - chance);
    disturbance.nextAt = now + 1 + Math.floor(wait);
  }
}
