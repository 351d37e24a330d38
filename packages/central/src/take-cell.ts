// A cell for a write: out of the pool; when that is empty, leased from the metadata service.
// Housekeeping refills at a low-water mark, so that writes do not come here.

import type { Pointer } from "@pdpm/layout";
import type { Protocol } from "@pdpm/verbs";
import { leaseCells } from "./lease-cells.ts";
import { makeSpace } from "./make-space.ts";
import type { Context } from "./session.ts";

/** A cell of this class. @throws PDPM_NO_SPACE (not-applied) */
export function* takeCell(context: Context, sizeClass: number): Protocol<Pointer> {
  const { pool, wake } = context.session;
  for (;;) {
    const pointer = pool.take(sizeClass);
    if (pointer !== undefined) {
      if (pool.count(sizeClass) < pool.lowWater(sizeClass)) wake();
      return pointer;
    }
    if (!(yield* leaseCells(context, sizeClass))) yield* makeSpace(context, sizeClass);
  }
}
