// What a coordinator does beside the operations of its clients: frees what was superseded, refills
// what runs low, wipes what failed writes left, and sweeps after one that died.

import { isPdpmError } from "@pdpm/base";
import type { Protocol } from "@pdpm/verbs";
import { cleanSome } from "./clean.ts";
import { wipeLeftovers } from "./leftovers.ts";
import { learnGranted, refill, reportUsedUp } from "./refill.ts";
import type { Context } from "./session.ts";
import { sweepPage } from "./sweep.ts";

/** One turn. True if there is more to do at once. */
export function* work(context: Context): Protocol<boolean> {
  const { pool, stale, unwiped } = context.session;
  const isSweeping = yield* sweepPage(context);
  let isCleaning = false;
  if (!stale.isBusy) isCleaning = (yield* cleanSome(context)) && stale.count > 0;
  yield* learnGranted(context);
  yield* reportUsedUp(context);
  for (const sizeClass of pool.lowClasses()) {
    if (!pool.refilling.has(sizeClass)) yield* refill(context, sizeClass);
  }
  for (const key of [...unwiped.keys()]) {
    try {
      yield* wipeLeftovers(context, key);
    } catch (error) {
      // Still out of reach; the others may not be.
      if (!isPdpmError(error)) throw error;
    }
  }
  return isSweeping || isCleaning;
}
