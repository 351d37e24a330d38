// A caller's wait for something that goes on without it: ended by a deadline or an AbortSignal.
// All waits of a client share one timer, because a timer per operation costs more than the
// operation.

import { type Clock, PdpmError } from "@pdpm/base";
import { Crowd, type Member } from "./crowd.ts";
import type { Limits } from "./operation.ts";

/** Deadlines are met to within this many milliseconds. */
const tickMs = 5;

/** One caller's wait. All but `end` is for `Waits` to set. */
export interface Wait extends Member {
  deadlineAt: number;
  signal: AbortSignal | undefined;
  /** The caller is to wait no longer. Called at most once, and not after `leave`. */
  end(why: PdpmError): void;
}

/** Throws if the caller's signal has fired already. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortError(signal);
}

function abortError(signal: AbortSignal): PdpmError {
  return new PdpmError("PDPM_ABORTED", "the caller's signal fired", { cause: signal.reason });
}

/** The waits of one client. */
export class Waits {
  readonly #clock: Clock;
  readonly #timed = new Crowd<Wait>();
  /** One listener per signal, however many operations share it. */
  readonly #signalled = new Map<AbortSignal, Set<Wait>>();
  #ticking = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Settles as `work` does, or rejects at the deadline or abort with what `leave` makes of the
   * reason. `work` goes on; what it says afterwards is dropped, for its caller has left.
   */
  until<T>(work: Promise<T>, limits: Limits, leave: (why: PdpmError) => PdpmError): Promise<T> {
    const { timeoutMs, signal } = limits;
    if (timeoutMs === undefined && signal === undefined) return work;
    return new Promise<T>((resolve, reject) => {
      const wait: Wait = {
        place: -1,
        deadlineAt: 0,
        signal: undefined,
        end: (why) => reject(leave(why)),
      };
      this.enter(wait, limits);
      work.then(
        (value) => {
          this.leave(wait);
          resolve(value);
        },
        (error: unknown) => {
          this.leave(wait);
          reject(error);
        },
      );
    });
  }

  /** `wait` begins, and ends as `limits` say unless it leaves before. */
  enter(wait: Wait, { timeoutMs, signal }: Limits): void {
    if (timeoutMs !== undefined) {
      wait.deadlineAt = this.#clock.now() + timeoutMs;
      this.#timed.add(wait);
      this.#tick();
    }
    if (signal === undefined) return;
    wait.signal = signal;
    this.#listen(signal, wait);
  }

  /** What it waited for came. Leaving again changes nothing. */
  leave(wait: Wait): void {
    const { signal } = wait;
    this.#timed.delete(wait);
    if (signal === undefined) return;
    wait.signal = undefined;
    const waits = this.#signalled.get(signal);
    waits?.delete(wait);
    if (waits?.size !== 0) return;
    this.#signalled.delete(signal);
    signal.removeEventListener("abort", this.#onAbort);
  }

  #listen(signal: AbortSignal, wait: Wait): void {
    const waits = this.#signalled.get(signal);
    if (waits !== undefined) {
      waits.add(wait);
      return;
    }
    this.#signalled.set(signal, new Set([wait]));
    signal.addEventListener("abort", this.#onAbort);
  }

  readonly #onAbort = (event: Event): void => {
    const signal = event.target as AbortSignal;
    for (const wait of this.#signalled.get(signal) ?? []) {
      this.leave(wait);
      wait.end(abortError(signal));
    }
  };

  #tick(): void {
    if (this.#ticking || this.#timed.size === 0) return;
    this.#ticking = true;
    this.#clock.after(tickMs, () => {
      this.#ticking = false;
      try {
        const now = this.#clock.now();
        for (const wait of this.#timed.all()) {
          // One that ended may have taken others with it.
          if (wait.place < 0 || wait.deadlineAt > now) continue;
          this.leave(wait);
          wait.end(new PdpmError("PDPM_TIMEOUT", "the deadline passed"));
        }
      } finally {
        this.#tick();
      }
    });
  }
}
