// Giving back: what a client that leaves, or that is asked to, does not need any more.

import type { Protocol } from "@pdpm/verbs";
import { settleDoubts } from "./doubts.ts";
import { giveBackSpans } from "./give-back.ts";
import { retireAll } from "./retire.ts";
import type { Context } from "./session.ts";
import { publishShortcuts } from "./shortcut-cells.ts";

/** Everything: superseded versions, doubts, buffers in hand. */
export function* giveEverythingBack(context: Context): Protocol<void> {
  yield* retireAll(context);
  yield* publishShortcuts(context);
  yield* settleDoubts(context);
  yield* handBack(context, () => true);
}

/** The buffers in hand of the chunks that `matches` chooses, and every span that is used up. */
export function* handBack(
  context: Context,
  matches: (chunk: number, sizeClass: number) => boolean,
): Protocol<void> {
  context.session.pool.withdraw(matches);
  yield* giveBackSpans(context);
}
