// A full collection: the chains of all keys are walked, and whatever is superseded or sealed in
// them is freed, whoever replaced it and whether or not it was ever reported (H9). A page of keys
// is one call and one round trip, and more only for those chains that are longer than they need to
// be.
//
// When nobody writes meanwhile, what is taken afterwards is exactly one buffer per key.

import { toKey } from "@pdpm/kv";
import type { Protocol } from "@pdpm/verbs";
import { ask } from "./calls.ts";
import { sweepChains } from "./retire.ts";
import type { Context } from "./session.ts";
import { chainsPerRound } from "./walk-chains.ts";

/** Keys of a page. */
const keysPerPage = chainsPerRound;

/** What a page was, and where the next one begins; null at the end. */
export interface CollectedPage {
  readonly next: Uint8Array | null;
  /** Whether anything was freed. */
  readonly freed: boolean;
}

/** Collects every key of the directory. True if anything was freed. */
export function* collectAll(context: Context): Protocol<boolean> {
  let freed = false;
  let after: Uint8Array | null = null;
  do {
    const page: CollectedPage = yield* collectPage(context, after);
    freed ||= page.freed;
    after = page.next;
  } while (after !== null);
  return freed;
}

/** Collects the keys of the page behind `after`. */
export function* collectPage(context: Context, after: Uint8Array | null): Protocol<CollectedPage> {
  const question = { ask: "keys", prefix: new Uint8Array(0), after, limit: keysPerPage } as const;
  const found = yield* ask(context, question);
  const starts = found.map(({ key, head }) => ({ key: toKey(key), head }));
  const freed = yield* sweepChains(context, starts);
  return { next: found.length < keysPerPage ? null : (found.at(-1)?.key ?? null), freed };
}
