// Cleaning: superseded cells are wiped, durably, and then freed, in batches and off the data path.
//
// A cell comes here after the mapping has moved on and the last reader has left it. The wipe is
// durable before the service hears of it, so a cell that may be leased again is valid for nobody
// (H23).

import { assert } from "@pdpm/base";
import { keyBytes, Patience } from "@pdpm/kv";
import type { Protocol } from "@pdpm/verbs";
import { ask, change } from "./calls.ts";
import type { Context } from "./session.ts";
import { type StaleCells, staleMost } from "./stale-queue.ts";
import { wipe } from "./wipe.ts";

/** Cells cleaned in one transaction, but for a single key that has more. */
const batchMost = 256;

/** Cleans one batch. True if anything was freed. */
export function* cleanSome(context: Context): Protocol<boolean> {
  const { stale, events } = context.session;
  assert(!stale.isBusy, "one cleans at a time");
  let left = stale.begin(batchMost);
  if (left.length === 0) return false;
  let cleaned = 0;
  try {
    yield* wipe(
      context,
      left.flatMap(({ pointers }) => pointers),
    );
    const cells = left.map(({ key, pointers }) => ({ key: keyBytes(key), stale: pointers }));
    const replies = yield* change(context, { do: "clean", cells });
    const unknown: StaleCells[] = [];
    for (const [i, batch] of left.entries()) {
      if (replies[i] === "cleaned") cleaned += batch.pointers.length;
      else unknown.push(batch);
    }
    left = unknown;
    left = yield* askAnew(context, unknown);
  } finally {
    stale.end(left);
    events.cleaned += cleaned;
  }
  return cleaned > 0;
}

/** Of cells that were not what the directory has: those that it does have. */
function* askAnew(context: Context, batch: readonly StaleCells[]): Protocol<StaleCells[]> {
  const kept: StaleCells[] = [];
  for (const { key, pointers } of batch) {
    const { stale } = yield* ask(context, { ask: "lookup", key: keyBytes(key) });
    kept.push({ key, pointers: pointers.filter((pointer) => stale.includes(pointer)) });
  }
  return kept;
}

/**
 * Cleans everything that is superseded by now. What is superseded meanwhile waits: under load there
 * would be no end (H12). True if anything was freed.
 */
export function* cleanAll(context: Context): Protocol<boolean> {
  const { stale, events } = context.session;
  const patience = new Patience(context);
  // Who waits longest is cleaned first, and what others clean meanwhile counts, too.
  const end = events.cleaned + stale.underWayCount + stale.count;
  let freed = false;
  while ((stale.isBusy || stale.count > 0) && events.cleaned < end) {
    if (stale.isBusy) yield* patience.wait("superseded cells are being freed");
    else if (yield* cleanSome(context)) freed = true;
    else yield* patience.wait("superseded cells belong to keys that are being deleted");
  }
  return freed;
}

/** Writers wait while too many superseded cells are not freed yet (H16). */
export function* holdBack(context: Context): Protocol<void> {
  const { stale } = context.session;
  const patience = new Patience(context);
  while (stale.count >= staleMost) {
    const isFreed = !stale.isBusy && (yield* cleanSome(context));
    if (!isFreed) yield* patience.wait("superseded cells are being freed");
  }
}
