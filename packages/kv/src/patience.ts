// Waiting for somebody else: bounded, jittered back-off between tries, which names whom it waits
// for, so that a deadline can say it.

import { backoffMs, PdpmError, type Prng } from "@pdpm/base";
import { type Operation, type Protocol, pause, round } from "@pdpm/verbs";

/** How often anything is tried again before it is given up; with back-off this is over a minute. */
const attemptsMost = 10_000;
const backoff = { firstMs: 0.05, mostMs: 10 };

/** Who waits: an operation, and its client's source of chance. */
export interface Waiting {
  readonly operation: Operation;
  readonly session: { readonly prng: Prng };
}

/** Counts the tries of one waiting loop. */
export class Patience {
  readonly #waiting: Waiting;
  #attempt = 0;

  constructor(waiting: Waiting) {
    this.#waiting = waiting;
  }

  get attempt(): number {
    return this.#attempt;
  }

  /** Waits before the next try. `what` says what is waited for. @throws PDPM_BUSY at the bound. */
  *wait(what: string): Protocol<void> {
    this.#attempt += 1;
    if (this.#attempt >= attemptsMost) {
      throw new PdpmError("PDPM_BUSY", `${what}; given up after ${this.#attempt} tries`);
    }
    const { operation, session } = this.#waiting;
    operation.waitingFor = what;
    yield* round(pause(backoffMs(session.prng, this.#attempt, backoff)));
    operation.waitingFor = undefined;
  }
}
