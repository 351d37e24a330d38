// After a coordinator died, every key is looked up once, a page at a time, in the background. That
// shows the superseded cells that it did not clean, and which suspects among its cells are named
// (reap.ts).

import { toKey } from "@pdpm/kv";
import { addressIn } from "@pdpm/layout";
import type { Protocol } from "@pdpm/verbs";
import { ask } from "./calls.ts";
import { scanPage } from "./key-scan.ts";
import { reapSuspects } from "./reap.ts";
import type { Context } from "./session.ts";

/** Sweeps one page; true while there are more. */
export function* sweepPage(context: Context): Protocol<boolean> {
  const { session } = context;
  const { sweep } = session;
  if (!sweep.isUnderWay) return false;
  const { keys, next } = yield* scanPage(context, sweep.after);
  for (const key of keys) {
    const { head, stale } = yield* ask(context, { ask: "lookup", key });
    if (stale.length > 0) session.stale.add(toKey(key), stale);
    for (const pointer of head === null ? stale : [head, ...stale]) {
      sweep.suspects.delete(addressIn(pointer));
    }
  }
  sweep.after = next;
  if (next !== null) return true;
  yield* reapSuspects(context);
  sweep.isUnderWay = false;
  return false;
}
