// Wiping: a cell whose head mark is 0 counts for nobody, whatever else it holds. A repair that lost
// the directory takes a key's valid cell with the highest number, so everything that was
// superseded, deleted or never committed is wiped durably before its space is leased again (H23).
//
// A mark is replaced by CAS from the very life that is meant: a late one never wipes what the cell
// has become since. Whatever else it finds is no valid mark either.

import { addressIn, bufferFields, chunkOf, headMarkOf, type Pointer } from "@pdpm/layout";
import { compareAndSwap, type Post, type Protocol, round } from "@pdpm/verbs";
import type { Context, Session } from "./session.ts";

/** Marks wiped in one round. */
export const wipedMost = 256;

/** The CAS that wipes the cell `pointer`. */
export function wipePost(pointer: Pointer): Post<bigint> {
  return compareAndSwap(markAt(pointer), headMarkOf(pointer), 0n);
}

/** Wipes cells, durably: one round trip for each 256. Cells whose chunk is gone are gone, too. */
export function* wipe(context: Context, pointers: readonly Pointer[]): Protocol<void> {
  const { session } = context;
  const there: Pointer[] = [];
  for (const pointer of pointers) {
    if (yield* session.table.require(context, addressIn(pointer))) there.push(pointer);
  }
  for (let first = 0; first < there.length; first += wipedMost) {
    const some = there.slice(first, first + wipedMost);
    yield* round(...some.map(wipePost), ...wipeFlushes(session, some));
  }
}

/** One flush a chunk, over the range of its marks: flushes of one round wait for each other. */
export function wipeFlushes(session: Session, pointers: readonly Pointer[]): Post<void>[] {
  const ranges = new Map<number, { first: number; last: number }>();
  for (const pointer of pointers) {
    const at = markAt(pointer);
    const range = ranges.get(chunkOf(at));
    if (range === undefined) ranges.set(chunkOf(at), { first: at, last: at });
    else {
      range.first = Math.min(range.first, at);
      range.last = Math.max(range.last, at);
    }
  }
  return [...ranges.values()].flatMap(({ first, last }) =>
    session.flushes(first, last + 8 - first),
  );
}

function markAt(pointer: Pointer): number {
  return addressIn(pointer) + bufferFields.headMark;
}
