// Reports superseded versions to the metadata service, which moves the keys' heads and frees them.
//
//   1. The version that becomes the head is marked as head, durably, before the old head may be
//      leased again (H23). Its link is durable already: the write was acknowledged.
//   2. `advance`: head and freed buffers in one conditional transaction of the service.
//   A head that is not what we thought: the chain is walked from it, once.
//
// Wrong or late reports do no harm: a move counts only while the key's head is the one it names, and
// the chain behind a head never changes.

import { type Key, keyBytes, toKey } from "@pdpm/kv";
import { bufferHeaderBytes, type Pointer } from "@pdpm/layout";
import type { Move } from "@pdpm/metadata-server/protocol";
import type { Protocol } from "@pdpm/verbs";
import { ask, change } from "./calls.ts";
import { forgetChain } from "./forget.ts";
import { markHeads } from "./head-marks.ts";
import type { Superseded } from "./retire-queue.ts";
import type { Context } from "./session.ts";
import { walk } from "./walk.ts";

/** Sealed chains forgotten in one turn. */
const sealedMost = 64;

/** Reports one batch. True if anything was freed. */
export function* retireSome(context: Context): Protocol<boolean> {
  const { retiring } = context.session;
  const taken = retiring.takeSuperseded();
  const moves: Move[] = [];
  const toWalk: Key[] = [];
  for (const entry of taken) {
    if (entry.hasGaps) toWalk.push(entry.key);
    else moves.push(moveOf(entry));
  }
  const refused = yield* advance(context, moves);
  let freed = refused.length < moves.length;
  for (const key of [...toWalk, ...refused]) {
    if (yield* retireChain(context, key)) freed = true;
  }
  for (let count = 0; count < sealedMost; count += 1) {
    const sealed = retiring.takeSealed();
    if (sealed === undefined) break;
    if (yield* forgetChain(context, sealed)) freed = true;
  }
  return freed;
}

/** Reports everything there is. True if anything was freed. */
export function* retireAll(context: Context): Protocol<boolean> {
  const { retiring } = context.session;
  let freed = false;
  while (!retiring.isEmpty) if (yield* retireSome(context)) freed = true;
  return freed;
}

/** Frees whatever is superseded in the chain of `key`, as the directory and memory have it. */
export function* retireChain(context: Context, key: Key): Protocol<boolean> {
  const { head } = yield* ask(context, { ask: "lookup", key: keyBytes(key) });
  if (head === null) return false;
  const freed: Pointer[] = [];
  const tail = yield* walk(context, key, head, {
    wantsValue: false,
    readBytes: bufferHeaderBytes + key.length,
    passed: (pointer) => freed.push(pointer),
  });
  if (tail.state === "sealed") return yield* forgetChain(context, key);
  if (tail.state !== "end" || freed.length === 0) return false;
  const move = { key: keyBytes(key), head, next: tail.pointer, freed };
  return (yield* advance(context, [move])).length === 0;
}

function moveOf({ key, freed, next }: Superseded): Move {
  return { key: keyBytes(key), head: freed[0] as Pointer, next, freed };
}

/** Marks and moves; the keys of those moves that the service did not take. */
function* advance(context: Context, moves: readonly Move[]): Protocol<Key[]> {
  if (moves.length === 0) return [];
  const { session } = context;
  const isMarked = yield* markHeads(
    context,
    moves.map(({ next }) => next),
  );
  // A version that was collected meanwhile is nobody's head: others reported more than we did.
  const marked = moves.filter((_, i) => isMarked[i]);
  if (marked.length === 0) return [];
  const replies = yield* change(context, { do: "advance", moves: marked });
  const refused: Key[] = [];
  for (const [i, reply] of replies.entries()) {
    const { key, freed } = marked[i] as Move;
    if (reply === "moved") session.events.retired += freed.length;
    else if (reply.head !== null) refused.push(toKey(key));
  }
  return refused;
}
