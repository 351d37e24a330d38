// A caller's wait for something that goes on without it: ended by a deadline or an AbortSignal.
// All waits of a client share one timer, because a timer per operation costs more than the operation.

import { type Clock, PdpmError } from "@pdpm/base";
import type { Limits } from "./operation.ts";

/** Deadlines are met to within this many milliseconds. */
const tickMs = 5;

interface Wait {
  readonly deadlineAt: number;
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
  readonly #waits = new Set<Wait>();
  #ticking = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Settles as `work` does, or rejects at the deadline or abort with what `leave` makes of the
   * reason. `work` goes on; what it says afterwards is dropped, for its caller has left.
   */
  until<T>(
    work: Promise<T>,
    limits: Limits,
    leave: (why: PdpmError) => PdpmError,
  ): Promise<T> {
    const { timeoutMs, signal } = limits;
    if (timeoutMs === undefined && signal === undefined) return work;
    return new Promise<T>((resolve, reject) => {
      const onAbort = (): void => wait.end(abortError(signal as AbortSignal));
      const wait: Wait = {
        deadlineAt: timeoutMs === undefined ? Infinity : this.#clock.now() + timeoutMs,
        end: (why) => {
          finish();
          reject(leave(why));
        },
      };
      const finish = (): void => {
        this.#waits.delete(wait);
        signal?.removeEventListener("abort", onAbort);
      };
      signal?.addEventListener("abort", onAbort);
      this.#waits.add(wait);
      this.#tick();
      work.then(
        (value) => {
          finish();
          resolve(value);
        },
        (error: unknown) => {
          finish();
          reject(error);
        },
      );
    });
  }

  #tick(): void {
    if (this.#ticking || this.#waits.size === 0) return;
    this.#ticking = true;
    this.#clock.after(tickMs, () => {
      this.#ticking = false;
      const now = this.#clock.now();
      for (const wait of this.#waits) {
        if (wait.deadlineAt <= now) {
          wait.end(new PdpmError("PDPM_TIMEOUT", "the deadline passed"));
        }
      }
      this.#tick();
    });
  }
}
