// The commit of a cell that was written: the mapping transaction, then the mapping in memory. The
// key is claimed from before the one until after the other.

import { PdpmError } from "@pdpm/base";
import { type Key, keyBytes } from "@pdpm/kv";
import type { Pointer } from "@pdpm/layout";
import type { Change, ReplyOf } from "@pdpm/metadata-server/protocol";
import type { Protocol } from "@pdpm/verbs";
import { changeCommitting } from "./calls.ts";
import { cellBytes } from "./cell.ts";
import { claimed } from "./claim-key.ts";
import type { NewCell } from "./new-cell.ts";
import type { Context } from "./session.ts";
import { cleanAtCount } from "./stale-queue.ts";

type Create = Extract<Change, { do: "create" }>;
type Supersede = Extract<Change, { do: "supersede" }>;

/** Makes a cell the first one of its key; else says why not. */
export function commitFirst(
  context: Context,
  key: Key,
  cell: NewCell,
): Protocol<Exclude<ReplyOf["create"], "notLeased">> {
  return claimed(context, key, function* () {
    const { pointer, commitNumber } = cell;
    const wanted = { do: "create", key: keyBytes(key), pointer, commitNumber } as const;
    const reply = yield* transact<Create>(context, key, cell, wanted);
    if (reply === "notLeased") throw notLeased();
    if (reply === "created") yield* enterMapping(context, key, cell);
    return reply;
  });
}

/** Puts a cell in the place of `expected`; "stale" when that is not the key's cell. */
export function commitNext(
  context: Context,
  key: Key,
  cell: NewCell,
  expected: Pointer,
): Protocol<"done" | "stale"> {
  return claimed(context, key, function* () {
    const { pointer } = cell;
    const wanted = { do: "supersede", key: keyBytes(key), expected, pointer } as const;
    const reply = yield* transact<Supersede>(context, key, cell, wanted);
    if (reply === "notLeased") throw notLeased();
    if (reply !== "done") return "stale";
    yield* enterMapping(context, key, cell);
    // No reader is left in the old cell: it may be wiped and freed.
    const { stale, wake } = context.session;
    stale.add(key, [expected]);
    if (stale.count >= cleanAtCount) wake();
    return "done";
  });
}

/** The transaction. Whoever cannot tell whether it took effect keeps the cell in doubt. */
function* transact<C extends Create | Supersede>(
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

/** It is durable: now the mapping in memory, when the last reader has left the cell before. */
function* enterMapping(context: Context, key: Key, cell: NewCell): Protocol<void> {
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

function notLeased(): PdpmError {
  const text = "the metadata service has not leased the coordinator the cell that it holds";
  return new PdpmError("PDPM_CORRUPT", `${text}; run "pdpm fsck"`);
}
