// Buffers in doubt (H14): the reply of the CAS or `create` that would have linked them was lost. The
// chain says what happened: a buffer that stands in it is live, one that does not, and cannot any
// more, is in hand again.
//
// It cannot any more because the connection that carried the lost verb was fenced before this one
// posted anything, and a change that was lost is refused once its slot has carried a later one.

import { keyBytes } from "@pdpm/kv";
import { bufferHeaderBytes } from "@pdpm/layout";
import { callSlots } from "@pdpm/metadata-server/protocol";
import type { Protocol } from "@pdpm/verbs";
import { ask, change } from "./calls.ts";
import type { Context, Doubt } from "./session.ts";
import { walk } from "./walk.ts";

/** Settles every doubt of this session. */
export function* settleDoubts(context: Context): Protocol<void> {
  const { session } = context;
  if (session.doubts.size === 0) return;
  // Every slot carries something later than what was lost.
  for (let i = 0; i < callSlots; i += 1) {
    yield* change(context, {
      do: "acknowledge",
      generation: session.oldestEpoch(context.operation),
    });
  }
  for (const doubt of [...session.doubts.values()]) {
    const isLinked = yield* isInChain(context, doubt);
    if (isLinked === undefined) continue;
    session.doubts.delete(doubt.pointer);
    session.pool.used(doubt.sizeClass, doubt.pointer, !isLinked);
    session.cursors.delete(doubt.key);
  }
}

/** Whether a buffer is part of its key's chain; undefined: the chain changed under the walk. */
export function* isInChain(
  context: Context,
  { key, pointer }: Pick<Doubt, "key" | "pointer">,
): Protocol<boolean | undefined> {
  const { head } = yield* ask(context, { ask: "lookup", key: keyBytes(key) });
  if (head === null) return false;
  let isPassed = false;
  const tail = yield* walk(context, key, head, {
    wantsValue: false,
    readBytes: bufferHeaderBytes + key.length,
    passed: (each) => {
      if (each === pointer) isPassed = true;
    },
  });
  if (isPassed || tail.pointer === pointer) return true;
  return tail.state === "broken" ? undefined : false;
}
