// A buffer for an operation: out of the pool; when that is empty, leased from the metadata service.
// Housekeeping refills at a low-water mark, so that updates do not come here (paper section 4.4).

import { Patience } from "@pdpm/kv";
import type { Pointer } from "@pdpm/layout";
import type { Protocol } from "@pdpm/verbs";
import { makeSpace } from "./make-space.ts";
import { refill } from "./refill.ts";
import type { Context } from "./session.ts";

/** A buffer of this class. @throws PDPM_NO_SPACE (not-applied) */
export function* takeBuffer(context: Context, sizeClass: number): Protocol<Pointer> {
  const { pool, table, wake } = context.session;
  const patience = new Patience(context);
  for (;;) {
    const pointer = pool.take(sizeClass);
    if (pointer !== undefined) {
      if (pool.count(sizeClass) < pool.lowWater(sizeClass)) wake();
      return pointer;
    }
    // Whatever the caller knew, it asks the table again before it posts (H17).
    context.operation.epoch = table.generation;
    if (pool.refilling.has(sizeClass)) {
      yield* patience.wait("buffers are being leased");
    } else if (!(yield* refill(context, sizeClass))) {
      yield* makeSpace(context, sizeClass);
    }
  }
}
