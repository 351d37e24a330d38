// Whose turn it is in an interleaved run: anyone's who is awake, as the seed chooses. Time is
// counted in micro-steps; when everybody sleeps it jumps to where the first one wakes.

import type { Prng } from "@pdpm/base";

/** Somebody who waits for a turn. */
export interface Waiter {
  /** The step from which on it may have one. */
  wakeAt: number;
}

/** How often somebody waited longer than others, so far. */
export interface Delays {
  stalls: number;
  slowFlushes: number;
}

/** A slow flush takes up to this many micro-steps: many operations of others. */
const slowFlushSteps = 2000;

/** The waiters of one run, and its clock. */
export class Schedule<T extends Waiter> {
  /** The clock of the run. */
  steps = 0;
  readonly delays: Delays = { stalls: 0, slowFlushes: 0 };
  readonly #prng: Prng;
  #stallChance: number;
  readonly #stallStepsMost: number;
  readonly #ready: T[] = [];

  constructor(prng: Prng, stallChance: number, stallStepsMost: number) {
    this.#prng = prng;
    this.#stallChance = stallChance;
    this.#stallStepsMost = stallStepsMost;
  }

  /** Everyone who waits. */
  get waiters(): readonly T[] {
    return this.#ready;
  }

  /** Now; or, with this probability, some steps later. */
  later(chance: number): number {
    if (!this.#prng.chance(chance)) return 0;
    return this.steps + Math.ceil(this.#stallStepsMost ** this.#prng.float());
  }

  /** From now on nobody waits longer than others; those who `isStalled` do no more. */
  calm(isStalled: (one: T) => boolean): void {
    this.#stallChance = 0;
    for (const one of this.#ready) if (isStalled(one)) one.wakeAt = 0;
  }

  /** `one` wants a turn; now and then it waits longer than others. */
  add(one: T): void {
    this.hold(one);
    this.#ready.push(one);
  }

  /** One who waits already had a turn, and wants another one: the same. */
  hold(one: T): void {
    one.wakeAt = this.later(this.#stallChance);
    if (one.wakeAt > 0) this.delays.stalls += 1;
  }

  /** One who waits is about to flush, and the medium is slow. */
  flushSlowly(one: T): void {
    this.delays.slowFlushes += 1;
    one.wakeAt = this.steps + this.#prng.below(slowFlushSteps);
  }

  /** Takes out everyone who `isOut`. */
  remove(isOut: (one: T) => boolean): void {
    for (let i = this.#ready.length - 1; i >= 0; i -= 1) {
      if (isOut(this.#ready[i] as T)) this.#ready.splice(i, 1);
    }
  }

  /** The index of the one whose turn it is: it stays until it is taken out. */
  pick(): number {
    const ready = this.#ready;
    for (let tries = 0; tries < 4; tries += 1) {
      const index = this.#prng.below(ready.length);
      if ((ready[index] as T).wakeAt <= this.steps) return index;
    }
    let first = 0;
    for (let i = 1; i < ready.length; i += 1) {
      if ((ready[i] as T).wakeAt < (ready[first] as T).wakeAt) first = i;
    }
    // Time passes until then: nobody's pause is cut short because all the others wait, too.
    this.steps = Math.max(this.steps, (ready[first] as T).wakeAt);
    return first;
  }

  /** Takes out the one at `index`. */
  takeOut(index: number): void {
    const last = this.#ready.pop() as T;
    if (index < this.#ready.length) this.#ready[index] = last;
  }
}
