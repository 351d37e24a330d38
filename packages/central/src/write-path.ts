// Central's write: one call of the client; one round trip of the coordinator, and one transaction.
//
//   1. A cell in hand; WRITE the value there, FLUSH it. Nobody else knows this cell, so no lock.
//   2. The mapping transaction: `create` or `supersede`. The commit point.
//   3. The entry's lock for writing, and the mapping in memory; then acknowledge (commit.ts).
//   4. In the background: the superseded cell is wiped and freed (clean.ts).
//
// Writes of a key follow one another (WriteQueue), so what a write has seen of its key holds until
// it commits; but for a cell that was moved meanwhile, which the transaction tells. A delete wipes
// and forgets (delete.ts). Source: paper section 3.2; design H9, H12, H15, H22, H23, H24.

import { type Key, keyText, Patience, type WriteBatch } from "@pdpm/kv";
import type { Protocol } from "@pdpm/verbs";
import { holdBack } from "./clean.ts";
import { commitFirst, commitNext } from "./commit.ts";
import { deleteKey, finishDelete } from "./delete.ts";
import type { Known, Written } from "./known.ts";
import { wipeLeftovers } from "./leftovers.ts";
import { locateHeader, type Missing, withEntryLock } from "./locate.ts";
import { NewCell } from "./new-cell.ts";
import type { Context } from "./session.ts";
import { takeCell } from "./take-cell.ts";
import { requireTerm } from "./term.ts";

/** Carries out a batch of puts, or a delete. `batch` has decided when it returns. */
export function* writeKey(context: Context, key: Key, batch: WriteBatch): Protocol<void> {
  const { session } = context;
  yield* holdBack(context);
  yield* wipeLeftovers(context, key);
  const patience = new Patience(context);
  while ((yield* attempt(context, key, batch)) === "stale") {
    session.mapping.delete(key);
    yield* patience.wait(`the mapping of ${keyText(key)} changes`);
  }
}

function* attempt(context: Context, key: Key, batch: WriteBatch): Protocol<Written> {
  const known = yield* find(context, key);
  if (known === "wiped") return "stale";
  if (known.state === "missing") return yield* insert(context, key, batch, known.floor);
  if (batch.isDelete) return yield* deleteKey(context, key, batch, known);
  return yield* update(context, key, batch, known);
}

/** The key's cell as the mapping has it, or the directory. */
function* find(context: Context, key: Key): Protocol<Known | Missing | "wiped"> {
  const { mapping, events } = context.session;
  const entry = mapping.get(key);
  if (entry !== undefined) {
    events.mappingHits += 1;
    const { pointer, commitNumber } = entry;
    return { state: "live", pointer, commitNumber, isSeen: false };
  }
  events.mappingMisses += 1;
  const located = yield* withEntryLock(context, key, locateHeader);
  if (located.state === "missing") return located;
  if (located.state === "wiped") {
    yield* finishDelete(context, key);
    return "wiped";
  }
  const { pointer, seen } = located;
  return { state: "live", pointer, commitNumber: seen.commitNumber, isSeen: true };
}

function* update(context: Context, key: Key, batch: WriteBatch, known: Known): Protocol<Written> {
  const { value, commitNumber } = batch.decide(true, known.commitNumber);
  if (value === undefined) {
    if (!known.isSeen) yield* requireTerm(context);
    return "done";
  }
  const cell = yield* NewCell.write(context, key, value, commitNumber, takeCell); // The round trip.
  try {
    return yield* commitNext(context, key, cell, known.pointer);
  } finally {
    yield* cell.abandon();
  }
}

/** "stale": the key exists by now. */
function* insert(context: Context, key: Key, batch: WriteBatch, floor: number): Protocol<Written> {
  const { value, commitNumber } = batch.decide(false, floor);
  // That the key does not exist is what the store itself said.
  if (value === undefined) return "done";
  const cell = yield* NewCell.write(context, key, value, commitNumber, takeCell);
  try {
    for (;;) {
      const reply = yield* commitFirst(context, key, cell);
      if (reply === "created") return "done";
      if ("exists" in reply) return "stale";
      // Another key of its shard was forgotten meanwhile.
      const next = batch.decide(false, reply.floor);
      if (next.value !== cell.value) return "stale";
      yield* cell.renumber(next.commitNumber);
    }
  } finally {
    yield* cell.abandon();
  }
}
