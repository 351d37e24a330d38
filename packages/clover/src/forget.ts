// The end of a deleted key: its sealed chain is forgotten by the directory, and its buffers are free.
//
//   1. The seal is durable (settled by the walk that met it).
//   2. The head marks of the chain are wiped, durably, before any of its buffers may be leased
//      again (H23).
//   3. `forget`: the directory drops the key and raises the floor of its commit numbers in the
//      transaction that frees the buffers; it counts only while the head is the one it names.
// Anyone may do it: the client that deleted, one that met the seal, a reaper.

import { type Key, keyBytes } from "@pdpm/kv";
import { bufferHeaderBytes, type Pointer } from "@pdpm/layout";
import type { Protocol } from "@pdpm/verbs";
import { ask, change } from "./calls.ts";
import { wipeHeads } from "./head-marks.ts";
import type { Context } from "./session.ts";
import { walk } from "./walk.ts";

/** Marks wiped in one round. */
const wipedMost = 256;

/** Forgets the chain of `key` if it is sealed. True if this client did. */
export function* forgetChain(context: Context, key: Key): Protocol<boolean> {
  const { head } = yield* ask(context, { ask: "lookup", key: keyBytes(key) });
  if (head === null) return false;
  const chain: Pointer[] = [];
  const tail = yield* walk(context, key, head, {
    wantsValue: false,
    readBytes: bufferHeaderBytes + key.length,
    passed: (pointer) => chain.push(pointer),
  });
  if (tail.state !== "sealed") return false;
  chain.push(tail.pointer);
  for (let first = 0; first < chain.length; first += wipedMost) {
    yield* wipeHeads(context, chain.slice(first, first + wipedMost));
  }
  const { commitNumber } = tail.header;
  const reply = yield* change(context, {
    do: "forget",
    key: keyBytes(key),
    head,
    commitNumber,
    freed: chain,
  });
  if (reply !== "forgotten") return false;
  context.session.retiring.drop(key);
  context.session.events.forgotten += 1;
  return true;
}
