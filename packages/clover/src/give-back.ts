// Ending leases. A span is given back as a whole: the buffers that were not used are free again,
// the others are live by now.
//
// A span whose giving back may or may not have taken effect is named never again: it may be leased
// to this client anew by then, with buffers in hand. If it had no effect, whoever reaps this
// client's id settles it.

import { isPdpmError } from "@pdpm/base";
import { batchMost, type ReturnedPart } from "@pdpm/metadata-server/protocol";
import type { Protocol } from "@pdpm/verbs";
import { change } from "./calls.ts";
import type { Context } from "./session.ts";

/** Gives back every span of which nothing is in hand. */
export function* giveBackSpans(context: Context): Protocol<void> {
  const { pool } = context.session;
  const parts = pool.takeSpansToReport();
  for (let first = 0; first < parts.length; first += batchMost) {
    yield* giveBack(context, parts.slice(first, first + batchMost), parts.slice(first + batchMost));
  }
}

function* giveBack(
  context: Context,
  spans: readonly ReturnedPart[],
  later: readonly ReturnedPart[],
): Protocol<void> {
  try {
    yield* change(context, { do: "giveBack", spans });
  } catch (error) {
    const { pool } = context.session;
    pool.keepToReport(later);
    if (isPdpmError(error) && error.outcome === "not-applied") pool.keepToReport(spans);
    throw error;
  }
}
