// Clover's delete: one round trip. The latest version is *sealed* (H4).
//
//   1. CAS the link word of the latest version from "no next" to its seal: the commit point; FLUSH
//      it; clear its pending mark.
//   From here on nobody appends to this chain and nobody reads from it; whoever meets the seal asks
//   the directory. It forgets the chain later, off the data path (forget.ts). No buffer is needed,
//   so a delete works on a full store. Source: design H4.

import type { Key, WriteBatch } from "@pdpm/kv";
import {
  addressIn,
  bufferFields,
  bufferHeaderBytes,
  linkIn,
  sealOf,
  withPending,
} from "@pdpm/layout";
import { commitPoint, compareAndSwap, type Protocol, round } from "@pdpm/verbs";
import type { Known, Written } from "./known.ts";
import { settleLink, settlingPosts } from "./links.ts";
import type { Context } from "./session.ts";
import { walk } from "./walk.ts";

/** Seals the chain at its latest version, if the batch's condition holds. */
export function* deleteTail(
  context: Context,
  key: Key,
  batch: WriteBatch,
  found: Known,
): Protocol<Written> {
  const { session } = context;
  let known = found;
  for (;;) {
    const { remove } = batch.decide(true, known.commitNumber);
    let start = known.pointer;
    if (remove) {
      const word = yield* seal(context, known);
      if (word === known.pointer) {
        session.cursors.delete(key);
        session.retiring.sealed(key);
        session.wake();
        return "done";
      }
      session.events.casLosses += 1;
      const next = linkIn(known.pointer, yield* settleLink(context, known.pointer, word));
      if (typeof next !== "bigint") return "stale";
      start = next;
    } else if (known.isSeen) {
      return "done";
    }
    const readBytes = bufferHeaderBytes + key.length;
    const tail = yield* walk(context, key, start, { wantsValue: false, readBytes });
    if (tail.state !== "end") return "stale";
    known = { pointer: tail.pointer, commitNumber: tail.header.commitNumber, isSeen: true };
  }
}

function* seal(context: Context, { pointer }: Known): Protocol<bigint> {
  const { isDurable } = context.session;
  const desired = isDurable ? withPending(sealOf(pointer)) : sealOf(pointer);
  const [word] = yield* round(
    commitPoint(compareAndSwap(addressIn(pointer) + bufferFields.link, pointer, desired)),
    ...settlingPosts(context, pointer, desired),
  );
  return word;
}
