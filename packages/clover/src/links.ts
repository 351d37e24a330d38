// Link-and-persist (H7): a link or seal is marked *pending* until it is known to be durable.
// Whoever meets the mark, on any path, flushes before answering or building on it.

import { addressIn, bufferFields, isPending, type Pointer, withoutPending } from "@pdpm/layout";
import { compareAndSwap, flush, type Post, type Protocol, round } from "@pdpm/verbs";
import type { Context } from "./session.ts";

/** Makes the link word `word`, found in the buffer `pointer`, durable. Returns it unmarked. */
export function* settleLink(context: Context, pointer: Pointer, word: bigint): Protocol<bigint> {
  if (!isPending(word)) return word;
  const at = addressIn(pointer) + bufferFields.link;
  yield* round(flush(at, 8), compareAndSwap(at, word, withoutPending(word)));
  context.session.events.linksSettled += 1;
  return withoutPending(word);
}

/**
 * The posts behind the CAS that set `marked`, in the same round: the flush, and behind it the CAS
 * that clears the mark (one replica). A store that promises less never marks.
 */
export function settlingPosts(context: Context, pointer: Pointer, marked: bigint): Post<unknown>[] {
  if (!context.session.isDurable) return [];
  const at = addressIn(pointer) + bufferFields.link;
  return [flush(at, 8), compareAndSwap(at, marked, withoutPending(marked))];
}
