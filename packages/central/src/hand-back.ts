// Giving back: what a coordinator that leaves, or that measures space, does not need any more.

import type { Protocol } from "@pdpm/verbs";
import { ask } from "./calls.ts";
import { cleanAll } from "./clean.ts";
import { giveBack } from "./give-back.ts";
import { wipeLeftovers } from "./leftovers.ts";
import { reportUsedUp } from "./refill.ts";
import type { Context } from "./session.ts";

/** The cells in hand of the chunks that `matches` chooses, and every span that is used up. */
export function* handBack(context: Context, matches: (chunk: number) => boolean): Protocol<void> {
  const { pool } = context.session;
  yield* reportUsedUp(context);
  yield* giveBack(context, () => pool.takeIdle(matches));
}

/**
 * Everything: superseded cells, cells of failed writes, cells in hand. Only when nothing else of
 * this coordinator runs any more.
 */
export function* giveEverythingBack(context: Context): Protocol<void> {
  const { pool, unwiped, clientId } = context.session;
  yield* cleanAll(context);
  for (const key of [...unwiped.keys()]) yield* wipeLeftovers(context, key);
  yield* handBack(context, () => true);
  // Granted, and never looked at: in a reply that was lost, or for somebody who left.
  pool.granted.length = 0;
  const parts = yield* ask(context, { ask: "leases", client: clientId });
  yield* giveBack(context, () => parts.filter((part) => !pool.holds(part)));
}
