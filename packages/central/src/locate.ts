// From a key to its cell by the directory: a question, and a read. For keys that the mapping does
// not know.
//
// "Missing" is what the store itself says, so it needs no check of the term. "Wiped" is a delete
// that a coordinator could not finish: its wipe is durable or about to be, and the key is forgotten
// before anybody is told that it is missing (delete.ts).

import { type Found, type Key, keyBytes } from "@pdpm/kv";
import { addressIn, type BufferHeader, bufferHeaderBytes, type Pointer } from "@pdpm/layout";
import { type Protocol, read, round } from "@pdpm/verbs";
import { ask } from "./calls.ts";
import { type CellCheck, firstReadBytes, liveHeader, liveValue } from "./cell.ts";
import { corruptCell } from "./damage.ts";
import type { Context } from "./session.ts";
import { requireTerm } from "./term.ts";

/** The key does not exist; commit numbers of its next life start above `floor`. */
export interface Missing {
  readonly state: "missing";
  readonly floor: number;
}

/** The key's cell, and `seen` of it. */
export interface Located<T> {
  readonly state: "live";
  readonly pointer: Pointer;
  readonly seen: T;
}

/** A delete was begun, and not finished. */
export interface Wiped {
  readonly state: "wiped";
}

/** Looks at a copy of a cell. */
type Look<T> = (pointer: Pointer, key: Key, bytes: Uint8Array) => T | CellCheck;

/** The cell of `key` and its header; its lock is held. @throws PDPM_CORRUPT naming the key. */
export function locateHeader(
  context: Context,
  key: Key,
): Protocol<Located<BufferHeader> | Missing | Wiped> {
  return locate(context, key, bufferHeaderBytes + key.length, liveHeader);
}

/** The cell of `key` and its value; its lock is held. @throws PDPM_CORRUPT naming the key. */
export function locateValue(
  context: Context,
  key: Key,
): Protocol<Located<Found> | Missing | Wiped> {
  return locate(context, key, firstReadBytes, liveValue);
}

/**
 * Runs `locate` with the entry's lock, shared with readers: else the cell that the directory named
 * could be freed, and be another key's, before it is read. For whoever does not hold the lock.
 */
export function* withEntryLock<T>(
  context: Context,
  key: Key,
  locate: (context: Context, key: Key) => Protocol<T>,
): Protocol<T> {
  const { locks } = context.session;
  if (!locks.tryRead(key)) yield* locks.read(context, key);
  try {
    return yield* locate(context, key);
  } finally {
    locks.endRead(key);
  }
}

function* locate<T extends object>(
  context: Context,
  key: Key,
  bytes: number,
  look: Look<T>,
): Protocol<Located<T> | Missing | Wiped> {
  const { session } = context;
  const { head, stale, floor } = yield* ask(context, { ask: "lookup", key: keyBytes(key) });
  // Superseded cells that an earlier coordinator did not clean.
  if (stale.length > 0) session.stale.add(key, stale);
  if (head === null) return { state: "missing", floor };
  const seen = yield* readCell(context, key, head, bytes, look);
  return seen === "wiped" ? { state: "wiped" } : { state: "live", pointer: head, seen };
}

/** Reads a mapped cell: one round trip, or two when it is longer than `bytes`. */
export function* readCell<T extends object>(
  context: Context,
  key: Key,
  pointer: Pointer,
  bytes: number,
  look: Look<T>,
): Protocol<T | "wiped"> {
  const { table } = context.session;
  const address = addressIn(pointer);
  if (!(yield* table.require(context, address))) throw corruptCell(key, pointer);
  const room = table.roomAt(address);
  for (let wanted = Math.min(bytes, room); ; ) {
    const [image] = yield* round(read(address, wanted));
    const seen = look(pointer, key, image);
    if (typeof seen === "object" || seen === "wiped") return seen;
    if (seen === "bad" || seen > room) {
      // Whoever is not in office any more sees what the next one makes of the cell.
      yield* requireTerm(context);
      throw corruptCell(key, pointer);
    }
    wanted = seen;
  }
}
