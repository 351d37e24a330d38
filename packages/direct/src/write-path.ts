// Direct's write: four round trips for an update.
//
//   1. CAS the slot's lock word from nobody to this client, and READ the committed header behind
//      it.
//   2. WRITE the new copy to the uncommitted space, FLUSH it and the lock word: the commit point.
//      From here on the update is only ever finished, by whoever it takes.
//   3. WRITE the same bytes to the committed space, FLUSH: readers that meet it half done see a
//      torn copy.
//   4. CAS the lock word back.
//
// A key without a slot is inserted (insert.ts); one that outgrew its slot moves (move.ts); a delete
// is in delete.ts. Those three hold the key's bucket lock. Source: paper section 3.1; design H5,
// H20, H21.

import { PdpmError } from "@pdpm/base";
import { type Key, keyBytes, keyText, Patience, type WriteBatch } from "@pdpm/kv";
import { cellBytes, copyBytes, copyCapacity, encodeCopy } from "@pdpm/layout";
import { commitPoint, type Protocol, round, write } from "@pdpm/verbs";
import { Starving } from "./claim-cell.ts";
import type { Cursor } from "./cursor-cache.ts";
import { deleteKey } from "./delete.ts";
import { findSlot } from "./find-slot.ts";
import { HeldUp } from "./held-up.ts";
import { letGo, release } from "./holds.ts";
import { insertKey } from "./insert.ts";
import { makeSpace } from "./make-space.ts";
import { moveKey } from "./move.ts";
import type { Context } from "./session.ts";
import { lockSlot } from "./slot-lock.ts";
import { committedOffset } from "./slot-view.ts";

/** Times that one write makes space, only to find it taken by others. */
const starvingsMost = 1000;

function starvedTooOften(key: Key): PdpmError {
  const text = `others took what ${keyText(key)} needed ${starvingsMost} times`;
  return new PdpmError("PDPM_BUSY", text);
}

/** Carries out a batch of puts, or a delete. `batch` has decided when it returns. */
export function* writeKey(context: Context, key: Key, batch: WriteBatch): Protocol<void> {
  const { cursors, events, table } = context.session;
  const patience = new Patience(context);
  const needs = new Set<number>();
  let starvings = 0;
  for (;;) {
    const known = cursors.get(key);
    const isKnown = known !== undefined && table.isActive(known.slot);
    const cursor = isKnown ? known : yield* findSlot(context, key);
    if (isKnown) events.cursorHits += 1;
    else events.cursorMisses += 1;
    const result = yield* writeOnce(context, key, batch, cursor);
    if (result === true) return;
    if (result instanceof HeldUp) {
      yield* patience.wait(result.message);
      continue;
    }
    if (result instanceof Starving) {
      needs.add(result.sizeClass);
      starvings += 1;
      if (starvings > starvingsMost) throw starvedTooOften(key);
      yield* makeSpace(context, result.sizeClass, needs);
      continue;
    }
    if (cursor !== undefined) cursors.delete(key);
    yield* patience.wait(`the slot of ${keyText(key)} changes hands`);
  }
}

/**
 * False when the slot was no longer what the cursor says; Starving when there is no cell; HeldUp
 * when others were too long in a slot.
 */
function* writeOnce(
  context: Context,
  key: Key,
  batch: WriteBatch,
  cursor: Cursor | undefined,
): Protocol<boolean | Starving | HeldUp> {
  if (cursor === undefined && batch.isDelete) {
    batch.decide(false, 0);
    return true;
  }
  try {
    if (cursor === undefined) return yield* insertKey(context, key, batch);
    if (batch.isDelete) return yield* deleteKey(context, key, batch, cursor);
    const result = yield* updateSlot(context, key, batch, cursor);
    if (result === "grow") return yield* moveKey(context, key, batch, cursor);
    return result === "done";
  } catch (error) {
    if (error instanceof HeldUp) return error;
    throw error;
  }
}

/** The four round trips. "grow": the value needs a larger slot; nothing was changed. */
function* updateSlot(
  context: Context,
  key: Key,
  batch: WriteBatch,
  cursor: Cursor,
): Protocol<"done" | "gone" | "grow"> {
  const { session } = context;
  const { slot, incarnation, sizeClass } = cursor;
  const locked = yield* lockSlot(context, key, cursor); // Round trip 1.
  if (locked === "gone") return "gone";
  const { hold, copy } = locked;
  const capacity = copyCapacity(sizeClass);
  try {
    const { value, commitNumber } = batch.decide(true, copy.commitNumber);
    const isTooLarge = value !== undefined && copyBytes(copy.keyBytes, value.length) > capacity;
    if (value === undefined || isTooLarge) {
      yield* release(context, [hold]);
      return value === undefined ? "done" : "grow";
    }
    const image = encodeCopy(slot, commitNumber, incarnation, keyBytes(key), value);
    yield* round(
      commitPoint(write(slot + committedOffset + capacity, image)), // Round trip 2.
      ...session.flushes(slot, cellBytes(sizeClass)),
    );
    yield* round(
      write(slot + committedOffset, image), // Round trip 3.
      ...session.flushes(slot + committedOffset, image.length),
    );
    session.cursors.set(key, { ...cursor, readBytes: committedOffset + image.length });
  } catch (error) {
    yield* letGo(context, [hold]);
    throw error;
  }
  yield* release(context, [hold]); // Round trip 4.
  return "done";
}
