// Acknowledging the chunk table: this client has no business left with chunks that were retired
// before a generation, so their places may be cut anew (H17).

import type { Protocol } from "@pdpm/verbs";
import { change } from "./calls.ts";
import type { Context } from "./session.ts";

/**
 * Tells the service which table every operation has seen that is under way. The caller's own is
 * left out: it holds no pointers, or asks the table again before it posts to what they name.
 */
export function* acknowledge(context: Context): Protocol<void> {
  const { session } = context;
  const generation = session.oldestEpoch(context.operation);
  if (generation <= session.acknowledged) return;
  session.table.forgetRetired(generation);
  yield* change(context, { do: "acknowledge", generation });
  session.acknowledged = Math.max(session.acknowledged, generation);
}
