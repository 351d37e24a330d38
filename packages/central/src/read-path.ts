// Central's read: one call of the client, one round trip of the coordinator.
//
//   1. The entry's lock, shared with other readers.
//   2. The mapping: where the key's cell is. A key that it does not know is looked up in the
//      directory.
//   3. READ [header | key | value]; everything must verify.
//
// Linearizable: a cell that the mapping names is replaced in the mapping before the write that
// replaced it is acknowledged, and it is wiped and freed only after the lock was free of readers. A
// coordinator that was deposed is fenced at every memory node before the next one serves, so its
// READ fails. Source: paper section 3.2; design H1, H2, H24.

import { Found, type Key, keyBytes } from "@pdpm/kv";
import { addressIn } from "@pdpm/layout";
import { type Protocol, read, repliesTo, together } from "@pdpm/verbs";
import { cellBytes, liveValue } from "./cell.ts";
import { finishDelete } from "./delete.ts";
import { locateValue, readCell } from "./locate.ts";
import type { MappingEntry } from "./mapping.ts";
import type { Context } from "./session.ts";

/** The value of `key`, or undefined. */
export function* readKey(context: Context, key: Key): Protocol<Found | undefined> {
  const { locks, mapping } = context.session;
  for (;;) {
    if (!locks.tryRead(key)) yield* locks.read(context, key);
    let found: Found | undefined | "wiped";
    try {
      const entry = mapping.get(key);
      found =
        entry === undefined ? yield* lookUp(context, key) : yield* readEntry(context, key, entry);
    } finally {
      locks.endRead(key);
    }
    if (found !== "wiped") return found;
    yield* finishDelete(context, key);
  }
}

function* readEntry(
  context: Context,
  key: Key,
  { pointer, bytes }: MappingEntry,
): Protocol<Found | "wiped"> {
  context.session.events.mappingHits += 1;
  // As `yield* round(...)`, without its generator: this one round trip is nearly every get.
  const posts = together(read(addressIn(pointer), bytes));
  const [image] = repliesTo(posts, yield posts);
  const found = liveValue(pointer, key, image);
  if (found instanceof Found) return found;
  return yield* readCell(context, key, pointer, bytes, liveValue);
}

function* lookUp(context: Context, key: Key): Protocol<Found | undefined | "wiped"> {
  const { mapping, events } = context.session;
  events.mappingMisses += 1;
  const located = yield* locateValue(context, key);
  if (located.state === "missing") return undefined;
  if (located.state === "wiped") return "wiped";
  const { pointer, seen } = located;
  const bytes = cellBytes(keyBytes(key).length, seen.value.length);
  mapping.set(key, { pointer, commitNumber: seen.version, bytes });
  return seen;
}
