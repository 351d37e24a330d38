// Bounded, jittered exponential back-off. Every retry loop takes its waiting time from here.

import type { Prng } from "./prng.ts";

/** The shape of a back-off, in milliseconds. */
export interface BackoffOptions {
  readonly firstMs: number;
  readonly mostMs: number;
}

/**
 * Milliseconds to wait before try number `attempt` (1-based): full jitter over an exponentially
 * growing range, never above `mostMs`.
 */
export function backoffMs(prng: Prng, attempt: number, options: BackoffOptions): number {
  const ceiling = Math.min(options.mostMs, options.firstMs * 2 ** Math.min(attempt - 1, 30));
  return ceiling * (0.5 + prng.float() / 2);
}
