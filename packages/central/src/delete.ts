// Central's delete: every cell of the key is wiped, durably, then the directory forgets the key.
//
//   1. The entry's lock for writing: no reader meets a cell that is being wiped.
//   2. Superseded cells that were not cleaned yet are wiped first, in a round of their own: else a
//      crash in between could leave an older value as the key's only valid cell.
//   3. CAS the head mark of the key's cell to 0, FLUSH it: the commit point.
//   4. `forget`: the directory drops the key, raises the floor of its numbers and frees its
//      cells, in one transaction; then acknowledge.
//
// A coordinator that dies between 3 and 4 leaves a key whose cell is wiped: whoever meets it
// finishes the delete before he answers. No cell is needed, so a delete works on a full store.
// Source: design H4, H23.

import { type Key, keyBytes, keyText, Patience, type WriteBatch } from "@pdpm/kv";
import { bufferHeaderBytes, type Pointer } from "@pdpm/layout";
import { commitPoint, type Protocol, round } from "@pdpm/verbs";
import { ask, changeCommitting } from "./calls.ts";
import { cellHeader } from "./cell.ts";
import { claimed } from "./claim-key.ts";
import type { Known, Written } from "./known.ts";
import { readCell } from "./locate.ts";
import type { Context } from "./session.ts";
import { requireTerm } from "./term.ts";
import { wipe, wipeFlushes, wipePost } from "./wipe.ts";

/** Deletes a key that exists, if the batch's condition holds. */
export function* deleteKey(
  context: Context,
  key: Key,
  batch: WriteBatch,
  { pointer, commitNumber, isSeen }: Known,
): Protocol<Written> {
  const { remove } = batch.decide(true, commitNumber);
  if (remove) return yield* alone(context, key, () => forget(context, key, pointer, commitNumber));
  if (!isSeen) yield* requireTerm(context);
  return "done";
}

/** Finishes a delete that stopped after its commit point. */
export function finishDelete(context: Context, key: Key): Protocol<void> {
  return alone(context, key, () => finish(context, key));
}

function* finish(context: Context, key: Key): Protocol<void> {
  const { head } = yield* ask(context, { ask: "lookup", key: keyBytes(key) });
  context.session.mapping.delete(key);
  if (head === null) return;
  const bytes = bufferHeaderBytes + key.length;
  const header = yield* readCell(context, key, head, bytes, cellHeader);
  if (header === "wiped" || header.headMark !== 0n) return;
  yield* forget(context, key, head, header.commitNumber);
  context.session.events.recoveries += 1;
}

/** With the key claimed, without readers in its cells, and without anybody who cleans them. */
function alone<T>(context: Context, key: Key, work: () => Protocol<T>): Protocol<T> {
  return claimed(context, key, () => undisturbed(context, key, work));
}

function* undisturbed<T>(context: Context, key: Key, work: () => Protocol<T>): Protocol<T> {
  const { locks, stale } = context.session;
  stale.freeze(key);
  try {
    const patience = new Patience(context);
    while (stale.isUnderWay(key)) yield* patience.wait(`cells of ${keyText(key)} are being freed`);
    yield* locks.write(context, key);
    try {
      return yield* work();
    } finally {
      locks.endWrite(key);
    }
  } finally {
    stale.unfreeze(key);
  }
}

/** Wipes and forgets; "stale" if the key's cell is not `expected` any more. */
function* forget(
  context: Context,
  key: Key,
  expected: Pointer,
  commitNumber: number,
): Protocol<Written> {
  const { session } = context;
  const { head, stale } = yield* ask(context, { ask: "lookup", key: keyBytes(key) });
  if (head !== expected) return "stale";
  yield* wipe(context, stale);
  session.mapping.delete(key);
  yield* round(commitPoint(wipePost(head)), ...wipeFlushes(session, [head]));
  const freed = [head, ...stale];
  const wanted = { do: "forget", key: keyBytes(key), head, commitNumber, freed } as const;
  const reply = yield* changeCommitting(context, wanted);
  // Null: an earlier delivery, whose reply was lost for good.
  if (reply !== "forgotten" && reply.head !== null) return "stale";
  session.stale.drop(key);
  session.events.forgotten += 1;
  return "done";
}
