// Iterates over keys in byte order: a page of the directory is one call, and one round trip reads
// the heads of its chains. A key that is present throughout comes exactly once: pages continue
// behind the last key, whatever changed meanwhile. A key whose chain is sealed was deleted, and
// does not come, although the directory has not forgotten it yet.

import { type Key, toKey } from "@pdpm/kv";
import { addressIn, bufferHeaderBytes, linkIn, type Pointer } from "@pdpm/layout";
import { type Protocol, read, round } from "@pdpm/verbs";
import { ask } from "./calls.ts";
import { findTail } from "./find-tail.ts";
import type { Context } from "./session.ts";
import { versionHead } from "./version.ts";

/** Keys of one page. */
export const keysPerPage = 256;

/** A page of keys, and where the next one starts; null at the end. */
export interface KeyPage {
  readonly keys: readonly Key[];
  readonly next: Uint8Array | null;
}

/** The page behind `after`. */
export function* scanPage(context: Context, after: Uint8Array | null): Protocol<KeyPage> {
  const question = { ask: "keys", prefix: new Uint8Array(0), after, limit: keysPerPage } as const;
  const found = yield* ask(context, question);
  const next = found.length < keysPerPage ? null : (found.at(-1)?.key ?? null);
  const { table } = context.session;
  for (const { head } of found) yield* table.require(context, addressIn(head));
  // A head in a chunk that is gone by now was moved meanwhile: its key is looked up like the
  // others.
  const placed = found.filter(({ head }) => table.reaches(addressIn(head)));
  const reads = placed.map(({ head }) => {
    const address = addressIn(head);
    return read(address, Math.min(bufferHeaderBytes + keyRoom, table.roomAt(address)));
  });
  const images = reads.length === 0 ? [] : ((yield* round(...reads)) as Uint8Array[]);
  const alone = new Set<Pointer>();
  for (const [i, { key, head }] of placed.entries()) {
    const header = versionHead(head, toKey(key), images[i] as Uint8Array);
    if (typeof header === "object" && linkIn(head, header.link) === "end") alone.add(head);
  }
  const keys: Key[] = [];
  for (const { key: bytes, head } of found) {
    const key = toKey(bytes);
    if (alone.has(head) || (yield* exists(context, key))) keys.push(key);
  }
  return { keys, next };
}

/** Enough for the longest key. */
const keyRoom = 1024;

/** Whether a key lives whose head has a next version, or is sealed, or was collected meanwhile. */
function* exists(context: Context, key: Key): Protocol<boolean> {
  const readBytes = bufferHeaderBytes + key.length;
  const tail = yield* findTail(context, key, {
    wantsValue: false,
    readBytes,
    forgets: false,
    asksShortcut: true,
  });
  return tail.state !== "missing";
}
