// After a coordinator died: it may have superseded cells that nobody cleaned, of any key. Looking a
// key up shows them; so every key is looked up once, a page at a time, in the background.

import { toKey } from "@pdpm/kv";
import type { Protocol } from "@pdpm/verbs";
import { ask } from "./calls.ts";
import { scanPage } from "./key-scan.ts";
import type { Context } from "./session.ts";

/** Sweeps one page; true while there are more. */
export function* sweepPage(context: Context): Protocol<boolean> {
  const { session } = context;
  const { sweeping } = session;
  if (sweeping === undefined) return false;
  const { keys, next } = yield* scanPage(context, sweeping.after);
  for (const key of keys) {
    const { stale } = yield* ask(context, { ask: "lookup", key });
    if (stale.length > 0) session.stale.add(toKey(key), stale);
  }
  session.sweeping = next === null ? undefined : { after: next };
  return next !== null;
}
