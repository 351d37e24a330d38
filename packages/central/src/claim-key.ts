// Who may change a key's mapping: one protocol at a time. Writes of a key queue up anyway
// (WriteQueue); this keeps them apart from what the coordinator does of its own accord: it finishes
// deletes, wipes what failed writes left, and moves cells.
//
// A claim is held from before a transaction until the mapping in memory agrees with it, and never
// while a cell is waited for: so a cell can be moved to make space for the very write that waits.

import { type Key, keyText, Patience } from "@pdpm/kv";
import type { Protocol } from "@pdpm/verbs";
import type { Context } from "./session.ts";

/** Does `work` as the only one that changes the mapping of `key`. */
export function* claimed<T>(context: Context, key: Key, work: () => Protocol<T>): Protocol<T> {
  const { changing } = context.session;
  const patience = new Patience(context);
  while (changing.has(key)) yield* patience.wait(`the mapping of ${keyText(key)} changes`);
  changing.add(key);
  try {
    return yield* work();
  } finally {
    changing.delete(key);
  }
}
