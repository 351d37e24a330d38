// Giving back: what a client that leaves, or that is asked to, does not need any more.

import type { Protocol } from "@pdpm/verbs";
import { change } from "./calls.ts";
import { settleDoubts } from "./doubts.ts";
import { retireAll } from "./retire.ts";
import type { Context } from "./session.ts";

/** Everything: superseded versions, doubts, buffers in hand. */
export function* giveEverythingBack(context: Context): Protocol<void> {
  yield* retireAll(context);
  yield* settleDoubts(context);
  yield* handBack(context, () => true);
}

/** The buffers in hand of the chunks that `matches` chooses, and every span that is used up. */
export function* handBack(context: Context, matches: (chunk: number) => boolean): Protocol<void> {
  const { pool } = context.session;
  const spans = [...pool.takeIdle(matches), ...pool.takeSpent()];
  if (spans.length === 0) return;
  yield* change(context, { do: "giveBack", spans });
}
