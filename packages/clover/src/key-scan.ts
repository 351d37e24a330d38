// Iterates over keys as the directory has them, in byte order, a page a call. A key that is present
// throughout comes exactly once: pages continue behind the last key, whatever changed meanwhile. A
// key whose chain is sealed already may still come; a read of it says that it is gone.

import { type Key, toKey } from "@pdpm/kv";
import type { Protocol } from "@pdpm/verbs";
import { ask } from "./calls.ts";
import type { Context } from "./session.ts";

/** Keys of one page. */
export const keysPerPage = 512;

/** A page of keys, and where the next one starts; null at the end. */
export interface KeyPage {
  readonly keys: readonly Key[];
  readonly next: Uint8Array | null;
}

/** The page behind `after`. */
export function* scanPage(context: Context, after: Uint8Array | null): Protocol<KeyPage> {
  const question = { ask: "keys", prefix: new Uint8Array(0), after, limit: keysPerPage } as const;
  const found = yield* ask(context, question);
  const next = found.length < keysPerPage ? null : (found.at(-1) as Uint8Array);
  return { keys: found.map((bytes) => toKey(bytes)), next };
}
