// Time. The only file that touches the real clock and real timers; everything else takes a Clock,
// so that tests and the simulator can supply their own.

/** A source of time. Times are milliseconds on one monotonic axis, with a fraction. */
export interface Clock {
  now(): number;
  /** Calls `then` once after `ms` milliseconds. The returned function cancels it. */
  after(ms: number, then: () => void, options?: TimerOptions): () => void;
}

/** How a timer behaves. */
export interface TimerOptions {
  /** Whether the timer keeps the process alive. @defaultValue true */
  readonly holds?: boolean;
}

/** The host's monotonic clock. */
export const systemClock: Clock = {
  now: () => performance.now(),
  after(ms, then, options) {
    if (ms < 1 && options?.holds !== false) {
      // A timer would take a millisecond; the next turn of the event loop is what is wanted.
      const immediate = setImmediate(then);
      return () => clearImmediate(immediate);
    }
    const timer = setTimeout(then, ms);
    if (options?.holds === false) timer.unref();
    return () => clearTimeout(timer);
  },
};

/** Resolves after `ms` milliseconds of `clock`. */
export function sleep(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(ms, resolve);
  });
}

/** Nanoseconds on the host's monotonic clock, the same axis in every process of the host. */
export function hostNanoseconds(): bigint {
  return process.hrtime.bigint();
}

/** Wall-clock time as ISO text, for reports that people read. */
export function wallClockText(): string {
  return new Date().toISOString();
}
