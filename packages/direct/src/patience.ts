// Waiting for somebody else: bounded, jittered back-off between tries, which names whom it waits
// for, so that a deadline can say it.

import { backoffMs, PdpmError } from "@pdpm/base";
import { type Protocol, pause, round } from "@pdpm/verbs";
import type { Context } from "./session.ts";

/** How often anything is tried again before it is given up; with back-off this is over a minute. */
const attemptsMost = 10_000;
const backoff = { firstMs: 0.05, mostMs: 10 };

/** Counts the tries of one waiting loop. */
export class Patience {
  readonly #context: Context;
  #attempt = 0;

  constructor(context: Context) {
    this.#context = context;
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
    const { operation, session } = this.#context;
    operation.waitingFor = what;
    yield* round(pause(backoffMs(session.prng, this.#attempt, backoff)));
    operation.waitingFor = undefined;
  }
}
