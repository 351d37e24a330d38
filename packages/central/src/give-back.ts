// Telling the metadata service that the lease of spans ends.
//
// A span may be granted anew as soon as its lease has ended, so a report that nobody knows the fate
// of is never made a second time in other words, nor is it let go: late, it would end the lease
// that came after. It keeps its ticket until there is a reply, and whoever reports next asks for it
// again (H15).

import type { ReturnedPart } from "@pdpm/metadata-server/protocol";
import type { Protocol } from "@pdpm/verbs";
import { changeUnder, takeTicket } from "./calls.ts";
import type { SpanReport } from "./cell-pool.ts";
import type { Context } from "./session.ts";

/** Reports what `take` takes out of the pool, and what was reported without a reply. */
export function* giveBack(context: Context, take: () => readonly ReturnedPart[]): Protocol<void> {
  const { pool, slots } = context.session;
  for (const report of [...pool.reports]) yield* finish(context, report);
  const ticket = yield* takeTicket(context);
  const spans = take();
  if (spans.length === 0) {
    slots.give(ticket);
    return;
  }
  const report = { ticket, spans, isUnderWay: false };
  pool.reports.add(report);
  yield* finish(context, report);
}

function* finish(context: Context, report: SpanReport): Protocol<void> {
  if (report.isUnderWay) return;
  const { pool, slots } = context.session;
  const { ticket, spans } = report;
  report.isUnderWay = true;
  try {
    yield* changeUnder(context, ticket, { do: "giveBack", spans });
  } finally {
    report.isUnderWay = false;
  }
  pool.reports.delete(report);
  slots.give(ticket);
}
