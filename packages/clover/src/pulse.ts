// What a client does beside its operations, on time: shows the metadata service which chunk table it
// works with, and keeps its books short.

import type { Protocol } from "@pdpm/verbs";
import { change } from "./calls.ts";
import { settleDoubts } from "./doubts.ts";
import { handBack } from "./hand-back.ts";
import { refill, reportSpent } from "./refill.ts";
import { retireAll, retireSome } from "./retire.ts";
import type { Context } from "./session.ts";

/** Every half second: the chunk table, its acknowledgement, and what others ask us to give back. */
export function* pulse(context: Context): Protocol<void> {
  const { session } = context;
  const { table, pool } = session;
  const { pressure } = table;
  yield* table.load(context);
  if (table.pressure !== pressure) yield* retireAll(context);
  const isPressed = table.pressure !== pressure;
  yield* handBack(context, (chunk) => isPressed || !table.isActive(chunk));
  yield* settleDoubts(context);
  const generation = session.oldestEpoch(context.operation);
  if (generation > session.acknowledged) {
    yield* change(context, { do: "acknowledge", generation });
    session.acknowledged = generation;
  }
  if (pool.hasSpent) yield* reportSpent(context, pool.takeSpent());
}

/** When there is something to do: reports what was replaced, refills what runs low. */
export function* work(context: Context): Protocol<void> {
  const { pool, retiring } = context.session;
  if (!retiring.isBusy && !retiring.isEmpty) {
    retiring.isBusy = true;
    try {
      yield* retireSome(context);
    } finally {
      retiring.isBusy = false;
    }
  }
  for (const sizeClass of pool.lowClasses()) {
    if (!pool.refilling.has(sizeClass)) yield* refill(context, sizeClass);
  }
}
