// The deadline of an operation that takes several steps: each step gets what is left of the time.

import { type Clock, PdpmError } from "@pdpm/base";
import { type Limits, throwIfAborted } from "@pdpm/verbs";

/** One caller's limits, counted from now. */
export class Deadline {
  readonly #clock: Clock;
  readonly #signal: AbortSignal | undefined;
  readonly #at: number;

  constructor(clock: Clock, limits: Limits) {
    this.#clock = clock;
    this.#signal = limits.signal;
    this.#at = limits.timeoutMs === undefined ? Infinity : clock.now() + limits.timeoutMs;
  }

  /** Whether its time is up. */
  get passed(): boolean {
    return this.#clock.now() > this.#at;
  }

  /** What the next step may take. @throws PDPM_TIMEOUT, PDPM_ABORTED when nothing is left. */
  left(): Limits {
    throwIfAborted(this.#signal);
    const timeoutMs = this.#at - this.#clock.now();
    if (timeoutMs < 0) throw new PdpmError("PDPM_TIMEOUT", "the deadline passed");
    return { timeoutMs, signal: this.#signal };
  }
}
