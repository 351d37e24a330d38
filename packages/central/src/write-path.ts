// Central's write: one call of the client; one round trip of the coordinator, and one transaction.
//
//   1. A cell in hand; WRITE the value there, FLUSH it. Nobody else knows this cell, so no lock.
//   2. The mapping transaction: `create` or `supersede`. The commit point.
//   3. The entry's lock for writing, and the mapping in memory; then acknowledge.
//   4. In the background: the superseded cell is wiped and freed (clean.ts).
//
// One protocol at a time changes a key (WriteQueue, claimKey), so what the mapping says of it holds
// until that protocol changes it. A delete wipes and forgets (delete.ts). Source: paper section
// 3.2; design H9, H12, H15, H22, H23, H24.

import { PdpmError } from "@pdpm/base";
import { type Key, keyBytes, keyText, Patience, type WriteBatch } from "@pdpm/kv";
import type { Pointer } from "@pdpm/layout";
import type { Change, ReplyOf } from "@pdpm/metadata-server/protocol";
import type { Protocol } from "@pdpm/verbs";
import { changeCommitting } from "./calls.ts";
import { cellBytes } from "./cell.ts";
import { claimKey } from "./claim-key.ts";
import { holdBack } from "./clean.ts";
import { deleteKey, finishDelete } from "./delete.ts";
import type { Known, Written } from "./known.ts";
import { wipeLeftovers } from "./leftovers.ts";
import { locateHeader, type Missing } from "./locate.ts";
import { NewCell } from "./new-cell.ts";
import type { Context } from "./session.ts";
import { cleanAtCount } from "./stale-queue.ts";
import { requireTerm } from "./term.ts";

/** Carries out a batch of puts, or a delete. `batch` has decided when it returns. */
export function* writeKey(context: Context, key: Key, batch: WriteBatch): Protocol<void> {
  const { session } = context;
  yield* holdBack(context);
  yield* claimKey(context, key);
  try {
    yield* wipeLeftovers(context, key);
    const patience = new Patience(context);
    while ((yield* attempt(context, key, batch)) === "stale") {
      session.mapping.delete(key);
      yield* patience.wait(`the mapping of ${keyText(key)} changes`);
    }
  } finally {
    session.changing.delete(key);
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
  const located = yield* locateHeader(context, key);
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
  const cell = yield* NewCell.write(context, key, value, commitNumber); // The one round trip.
  try {
    const { pointer } = cell;
    const expected = known.pointer;
    const wanted = { do: "supersede", key: keyBytes(key), expected, pointer } as const;
    const reply = yield* commit(context, key, cell, wanted);
    if (reply === "notLeased") throw notLeased();
    if (reply !== "done") return "stale";
    yield* committed(context, key, cell);
    replaced(context, key, expected);
    return "done";
  } finally {
    yield* cell.abandon();
  }
}

/** "stale": the key exists by now. */
function* insert(context: Context, key: Key, batch: WriteBatch, floor: number): Protocol<Written> {
  const { value, commitNumber } = batch.decide(false, floor);
  // That the key does not exist is what the store itself said.
  if (value === undefined) return "done";
  const cell = yield* NewCell.write(context, key, value, commitNumber);
  try {
    for (;;) {
      const { pointer } = cell;
      const wanted = { do: "create", key: keyBytes(key), pointer, commitNumber: cell.commitNumber };
      const reply = yield* commit(context, key, cell, wanted as Extract<Change, { do: "create" }>);
      if (reply === "notLeased") throw notLeased();
      if (reply === "created") break;
      if ("exists" in reply) return "stale";
      // Another key of its shard was forgotten meanwhile.
      const next = batch.decide(false, reply.floor);
      if (next.value !== cell.value) return "stale";
      yield* cell.renumber(next.commitNumber);
    }
    yield* committed(context, key, cell);
    return "done";
  } finally {
    yield* cell.abandon();
  }
}

type Mapping = Extract<Change, { do: "create" | "supersede" }>;

/** The mapping transaction. Whoever cannot tell whether it took effect keeps the cell in doubt. */
function* commit<const C extends Mapping>(
  context: Context,
  key: Key,
  cell: NewCell,
  wanted: C,
): Protocol<ReplyOf[C["do"]]> {
  const { operation, session } = context;
  try {
    const reply = yield* changeCommitting(context, wanted);
    if (reply !== "created" && reply !== "done") operation.hadNoEffect();
    return reply;
  } catch (error) {
    if (operation.outcome === "unknown") {
      cell.doubted();
      session.mapping.delete(key);
    }
    throw error;
  }
}

/** The transaction is durable: now the mapping in memory, and then the write is acknowledged. */
function* committed(context: Context, key: Key, cell: NewCell): Protocol<void> {
  const { locks, mapping } = context.session;
  const { pointer, commitNumber, value } = cell;
  cell.mapped();
  try {
    yield* locks.write(context, key);
  } catch (error) {
    mapping.delete(key);
    throw error;
  }
  const bytes = cellBytes(keyBytes(key).length, value.length);
  mapping.set(key, { pointer, commitNumber, bytes });
  locks.endWrite(key);
}

/** No reader is left in the cell `old`: it may be wiped and freed. */
function replaced({ session }: Context, key: Key, old: Pointer): void {
  session.stale.add(key, [old]);
  if (session.stale.count >= cleanAtCount) session.wake();
}

function notLeased(): PdpmError {
  const text = "the metadata service has not leased the coordinator the cell that it holds";
  return new PdpmError("PDPM_CORRUPT", `${text}; run "pdpm fsck"`);
}
