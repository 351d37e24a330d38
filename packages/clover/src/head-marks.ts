// Head marks (H23): the head of each key's chain carries a durable mark, so that a repair without the
// directory can tell what was committed. Set by CAS from the very life that is meant, so that a late
// one never marks what the buffer has become since.

import { addressIn, bufferFields, chunkOf, headMarkOf, type Pointer } from "@pdpm/layout";
import { compareAndSwap, flush, type Post, type Protocol, round } from "@pdpm/verbs";
import type { Context } from "./session.ts";

/** Marks versions as heads, durably: one round trip. Says of each whether it carries the mark. */
export function* markHeads(
  context: Context,
  pointers: readonly Pointer[],
): Protocol<readonly boolean[]> {
  if (pointers.length === 0) return [];
  const swaps = pointers.map((pointer) =>
    compareAndSwap(markAt(pointer), pointer, headMarkOf(pointer)),
  );
  const replies = yield* round(...swaps, ...flushesOf(context, pointers));
  return pointers.map((pointer, i) => {
    const found = replies[i] as bigint;
    return found === pointer || found === headMarkOf(pointer);
  });
}

/** Wipes the marks of a sealed chain, durably, before its buffers are freed: one round trip. */
export function* wipeHeads(context: Context, pointers: readonly Pointer[]): Protocol<void> {
  const swaps = pointers.map((pointer) =>
    compareAndSwap(markAt(pointer), headMarkOf(pointer), pointer),
  );
  yield* round(...swaps, ...flushesOf(context, pointers));
}

function markAt(pointer: Pointer): number {
  return addressIn(pointer) + bufferFields.headMark;
}

/** One flush a chunk, over the range of its marks: flushes of one round wait for each other. */
function flushesOf(context: Context, pointers: readonly Pointer[]): Post<void>[] {
  if (!context.session.isDurable) return [];
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
  return [...ranges.values()].map(({ first, last }) => flush(first, last + 8 - first));
}
