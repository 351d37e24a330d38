// More buffers of a size class, for an operation that found none: what this client has not reported
// yet is collected, then what the others have not.

import { PdpmError } from "@pdpm/base";
import { Patience } from "@pdpm/kv";
import type { Protocol } from "@pdpm/verbs";
import { change } from "./calls.ts";
import { refill } from "./refill.ts";
import { retireAll } from "./retire.ts";
import type { Context } from "./session.ts";

/** Returns when it is worth trying again. @throws PDPM_NO_SPACE (not-applied) */
export function* makeSpace(context: Context, sizeClass: number): Protocol<void> {
  const { pool } = context.session;
  if (yield* retireAll(context)) return;
  yield* change(context, { do: "press" });
  const patience = new Patience(context);
  while (patience.attempt < 8) {
    yield* patience.wait("the others are asked to give back space");
    if (pool.count(sizeClass) > 0) return;
    if (!pool.refilling.has(sizeClass) && (yield* refill(context, sizeClass))) return;
  }
  throw noSpace();
}

function noSpace(): PdpmError {
  const text = "the store is full: delete something, or create it with a larger maxBytes";
  return new PdpmError("PDPM_NO_SPACE", text);
}
