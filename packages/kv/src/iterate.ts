// Iteration over keys: pages come from the backend; choosing by prefix and counting happen here,
// once for all designs.
//
// Invariant: every key that is present throughout comes exactly once; one that comes or goes on the
// way may or may not come.

import { type Limits, throwIfAborted } from "@pdpm/verbs";
import type { ClosableBackend } from "./closable-backend.ts";
import { isTextKey, type Key, keyBytes, toKey } from "./key.ts";

/** Whether a key belongs to what was asked for. */
type KeyTest = (key: Key) => boolean;

/** A key as callers get it: text if its bytes are UTF-8, else a copy of its bytes. */
export function fromKey(key: Key): string | Uint8Array {
  return isTextKey(key) ? key : new Uint8Array(keyBytes(key));
}

/**
 * A test for keys that begin with the bytes of `prefix`; an empty one lets every key pass.
 * @throws PDPM_INVALID_ARGUMENT if it is longer than a key, or not well-formed text.
 */
export function prefixTest(prefix: string | Uint8Array): KeyTest {
  if (prefix.length === 0) return () => true;
  const start = toKey(prefix);
  const startBytes = keyBytes(start);
  const startsBytes: KeyTest = (key) => {
    const bytes = keyBytes(key);
    return startBytes.every((byte, i) => byte === bytes[i]);
  };
  if (!isTextKey(start)) return startsBytes;
  // UTF-8 keeps whole characters apart, so of two texts the bytes agree where the characters do.
  return (key) => (isTextKey(key) ? key.startsWith(start) : startsBytes(key));
}

/**
 * Pages of the keys that pass `test`, at most `limit` keys in all.
 * @param limits - `timeoutMs` counts anew for every page.
 */
export async function* pagesOf(
  backend: ClosableBackend,
  test: KeyTest,
  limit: number,
  limits: Limits,
): AsyncGenerator<readonly Key[], void, void> {
  let left = limit;
  backend.assertOpen();
  throwIfAborted(limits.signal);
  if (left === 0) return;
  for await (const page of backend.keys(limits)) {
    const wanted = page.filter(test).slice(0, left);
    left -= wanted.length;
    if (wanted.length > 0) yield wanted;
    if (left === 0) return;
    throwIfAborted(limits.signal);
  }
}
