// Cells of a class in the pool, for whoever found none there: one refill a class at a time, the
// others wait for it.

import { Patience } from "@pdpm/kv";
import type { Protocol } from "@pdpm/verbs";
import { refill } from "./refill.ts";
import type { Context } from "./session.ts";

/** Returns true when there was a cell; false when the store has none of this class to lease. */
export function* leaseCells(context: Context, sizeClass: number): Protocol<boolean> {
  const { pool } = context.session;
  const patience = new Patience(context);
  while (pool.count(sizeClass) === 0) {
    if (!pool.refilling.has(sizeClass)) return yield* refill(context, sizeClass);
    yield* patience.wait("cells are being leased");
  }
  return true;
}
