// What a slow flush is to make durable is met by others, who build on it; and then the power fails.

import type { Prng } from "@pdpm/base";
import type { Interleaver } from "@pdpm/simulator";

/** That the power fails in a slow flush. */
const failureChance = 0.1;
/** At most so many micro-steps after it began. */
const withinSteps = 500;

/** Looks, when it is called, whether a slow flush has begun, and has `fail` called in some of them. */
export function inSlowFlush(
  { interleaver, prng }: { readonly interleaver: Interleaver; readonly prng: Prng },
  fail: () => void | Promise<void>,
): () => void {
  let seen = 0;
  return () => {
    const { slowFlushes } = interleaver.delays;
    if (slowFlushes === seen) return;
    seen = slowFlushes;
    if (prng.chance(failureChance)) interleaver.enlist(fail, prng.below(withinSteps));
  };
}
