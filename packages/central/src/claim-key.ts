// Who may change a key's mapping: one protocol at a time. Writes of a key queue up anyway
// (WriteQueue); this keeps them apart from what the coordinator does of its own accord: it finishes
// deletes, wipes what failed writes left, and moves cells.

import { type Key, keyText, Patience } from "@pdpm/kv";
import type { Protocol } from "@pdpm/verbs";
import type { Context } from "./session.ts";

/** Claims `key`; whoever calls it lets go of it. */
export function* claimKey(context: Context, key: Key): Protocol<void> {
  const { changing } = context.session;
  const patience = new Patience(context);
  while (changing.has(key)) yield* patience.wait(`the mapping of ${keyText(key)} changes`);
  changing.add(key);
}
