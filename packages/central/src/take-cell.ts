// A cell for a write: out of the pool; when that is empty, leased from the metadata service.
// Housekeeping refills at a low-water mark, so that writes do not come here.

import { Patience } from "@pdpm/kv";
import type { Pointer } from "@pdpm/layout";
import type { Protocol } from "@pdpm/verbs";
import { makeSpace } from "./make-space.ts";
import { refill } from "./refill.ts";
import type { Context } from "./session.ts";

/** A cell of this class. @throws PDPM_NO_SPACE (not-applied) */
export function* takeCell(context: Context, sizeClass: number): Protocol<Pointer> {
  const { session } = context;
  const { pool, wake } = session;
  const patience = new Patience(context);
  for (;;) {
    const pointer = pool.take(sizeClass);
    if (pointer !== undefined) {
      if (pool.count(sizeClass) < pool.lowWater(sizeClass)) wake();
      return pointer;
    }
    if (pool.refilling.has(sizeClass)) yield* patience.wait("cells are being leased");
    else if (!(yield* refill(context, sizeClass))) {
      if (session.isMakingSpace) yield* patience.wait("space is being made");
      else yield* makeSpace(context, sizeClass);
    }
  }
}
