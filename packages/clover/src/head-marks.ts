// Head marks (H23): the head of each key's chain carries a durable mark, so that a repair without
// the directory can tell what was committed. Set by CAS from the very life that is meant, so that a
// late one never marks what the buffer has become since.
//
// A mark is *pending* until it is known to be durable, like a link (H7). Whoever begins at a head
// and finds it without a mark, or with a pending one, sees to it before answering or building on
// the chain: the client that inserted the key may be dead, and what others write there must count.
//
// A sealed chain's marks are wiped to 0, also where none was set: whoever still means to mark a
// version of it, after a report that was late, fails.

import {
  addressIn,
  bufferFields,
  chunkOf,
  headMarkOf,
  isHeadMark,
  type Pointer,
  pendingHeadMarkOf,
} from "@pdpm/layout";
import { compareAndSwap, flush, type Post, type Protocol, round } from "@pdpm/verbs";
import type { Context } from "./session.ts";

/** Marks set or wiped in one round. */
const marksPerRound = 256;

/** Marks versions as heads, durably. Says of each whether it carries the mark. */
export function* markHeads(
  context: Context,
  pointers: readonly Pointer[],
): Protocol<readonly boolean[]> {
  const isMarked: boolean[] = [];
  for (let first = 0; first < pointers.length; first += marksPerRound) {
    const some = reachable(context, pointers.slice(first, first + marksPerRound));
    const { isDurable } = context.session;
    const markOf = isDurable ? pendingHeadMarkOf : headMarkOf;
    const swaps = some.map((pointer) => compareAndSwap(markAt(pointer), pointer, markOf(pointer)));
    const settled = isDurable ? some : [];
    const clears = settled.map((pointer) =>
      compareAndSwap(markAt(pointer), pendingHeadMarkOf(pointer), headMarkOf(pointer)),
    );
    const replies = yield* round(...swaps, ...flushesOf(context, some), ...clears);
    const marked = new Set(some.filter((pointer, i) => isFit(pointer, replies[i] as bigint)));
    for (const pointer of pointers.slice(first, first + marksPerRound)) {
      isMarked.push(marked.has(pointer));
    }
  }
  return isMarked;
}

/** Wipes the marks of sealed chains, durably, before their buffers are freed. */
export function* wipeHeads(context: Context, pointers: readonly Pointer[]): Protocol<void> {
  for (let first = 0; first < pointers.length; first += marksPerRound) {
    const some = reachable(context, pointers.slice(first, first + marksPerRound));
    // In the order in which a mark is set: no one that is being set meanwhile slips through.
    const swaps = some.flatMap((pointer) =>
      [pointer, pendingHeadMarkOf(pointer), headMarkOf(pointer)].map((word) =>
        compareAndSwap(markAt(pointer), word, 0n),
      ),
    );
    yield* round(...swaps, ...flushesOf(context, some));
  }
}

/** Whether a head mark's word was, or is now, one of this very life: not wiped, not another's. */
function isFit(pointer: Pointer, word: bigint): boolean {
  return word === pointer || isHeadMark(pointer, word);
}

/** Those in chunks that there still are: one that was retired has no version left. */
function reachable({ session }: Context, pointers: readonly Pointer[]): Pointer[] {
  return pointers.filter((pointer) => session.table.reaches(addressIn(pointer)));
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
