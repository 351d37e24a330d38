// Iterates over keys in byte order: a page of the directory is one call. A key that is present
// throughout comes exactly once: pages continue behind the last key, whatever changed meanwhile.
// The directory itself answers, so a coordinator that was deposed says nothing old (H24).

import { type Key, toKey } from "@pdpm/kv";
import type { Protocol } from "@pdpm/verbs";
import { ask } from "./calls.ts";
import type { Context } from "./session.ts";

/** Keys of one page. */
export const keysPerPage = 256;

/** A page of keys, and where the next one starts; null at the end. */
export interface KeyPage {
  readonly keys: readonly Uint8Array[];
  readonly next: Uint8Array | null;
}

/** The page behind `after`. */
export function* scanPage(context: Context, after: Uint8Array | null): Protocol<KeyPage> {
  const question = { ask: "keys", prefix: new Uint8Array(0), after, limit: keysPerPage } as const;
  const found = yield* ask(context, question);
  const keys = found.map(({ key }) => key);
  return { keys, next: keys.length < keysPerPage ? null : (keys.at(-1) ?? null) };
}

/** The keys of a page, as programs know them. */
export function keysOf({ keys }: KeyPage): readonly Key[] {
  return keys.map((key) => toKey(key));
}
