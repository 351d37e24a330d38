// Clover's write: two round trips for an update of a key that the client knows.
//
//   1. WRITE the new version to a buffer in hand, FLUSH it.
//   2. CAS the link word of the latest version from "no next" to the new one: the commit point;
//      FLUSH it; clear its pending mark.
//   Lost: the CAS found a later version. Walk to the latest one, renew number and checksum in the
//   first 64 bytes, and CAS again.
//
// A key that does not exist is inserted (insert.ts), a delete seals the chain (delete.ts). What was
// replaced is reported later, off the data path (retire.ts). Source: paper section 4.2; design H1,
// H3, H7, H12, H14, H22.

import { type Key, keyBytes, keyText, Patience, type WriteBatch } from "@pdpm/kv";
import {
  addressIn,
  bufferFields,
  bufferHeaderBytes,
  linkIn,
  type Pointer,
  withPending,
} from "@pdpm/layout";
import { commitPoint, compareAndSwap, type Protocol, round } from "@pdpm/verbs";
import { deleteTail } from "./delete.ts";
import { findTail } from "./find-tail.ts";
import { insertKey } from "./insert.ts";
import type { Known, Written } from "./known.ts";
import { settleLink, settlingPosts } from "./links.ts";
import type { NewVersion } from "./new-version.ts";
import { retireSome } from "./retire.ts";
import type { Context } from "./session.ts";
import { walk } from "./walk.ts";
import { writeVersion } from "./write-version.ts";

/** Carries out a batch of puts, or a delete. `batch` has decided when it returns. */
export function* writeKey(context: Context, key: Key, batch: WriteBatch): Protocol<void> {
  const { session } = context;
  const patience = new Patience(context);
  yield* holdBack(context);
  let wasKnown = false;
  for (;;) {
    const known = cursorOf(context, key);
    const found = known ?? (yield* lookUp(context, key, wasKnown));
    wasKnown = known !== undefined;
    let result: Written;
    if (typeof found === "number") result = yield* insertKey(context, key, batch, found);
    else if (batch.isDelete) result = yield* deleteTail(context, key, batch, found);
    else result = yield* append(context, key, batch, found);
    if (result === "done") return;
    session.cursors.delete(key);
    yield* patience.wait(`the chain of ${keyText(key)} changes`);
  }
}

/** The latest version as far as this client knows, without asking anybody. */
function cursorOf(context: Context, key: Key): Known | undefined {
  const { cursors, table, events } = context.session;
  const entry = cursors.find(key);
  if (entry < 0 || !table.reaches(cursors.address(entry))) {
    events.cursorMisses += 1;
    return undefined;
  }
  events.cursorHits += 1;
  const commitNumber = cursors.commitNumber(entry);
  return { pointer: cursors.pointer(entry), commitNumber, isSeen: false };
}

/** The latest version; for a key that does not exist the floor of its numbers. */
function* lookUp(context: Context, key: Key, asksShortcut: boolean): Protocol<Known | number> {
  const readBytes = bufferHeaderBytes + key.length;
  const tail = yield* findTail(context, key, {
    wantsValue: false,
    readBytes,
    forgets: true,
    asksShortcut,
  });
  if (tail.state === "missing") return tail.floor;
  return { pointer: tail.pointer, commitNumber: tail.header.commitNumber, isSeen: true };
}

/** The two round trips, and those of lost races. */
export function* append(
  context: Context,
  key: Key,
  batch: WriteBatch,
  found: Known,
  written?: NewVersion,
): Protocol<Written> {
  let known = found;
  let version = written;
  try {
    for (;;) {
      const decision = batch.decide(true, known.commitNumber);
      if (decision.value === undefined) {
        if (known.isSeen) return "done";
        const seen = yield* look(context, key, known);
        if (seen === "stale") return "stale";
        known = seen;
        continue;
      }
      const { value, commitNumber } = decision;
      if (version !== undefined && !version.carries(decision)) {
        version.release();
        version = undefined;
      }
      if (version === undefined) {
        version = yield* writeVersion(context, key, value, commitNumber); // Round trip 1.
      } else if (version.commitNumber !== commitNumber) {
        yield* version.renumber(commitNumber);
      }
      // While a buffer was waited for, its chunk may have been emptied and retired (H17).
      if (!context.session.table.reaches(addressIn(known.pointer))) return "stale";
      const word = yield* link(context, known.pointer, version); // Round trip 2.
      if (word === known.pointer) {
        committed(context, key, known.pointer, version);
        return "done";
      }
      context.session.events.casLosses += 1;
      const next = yield* nextKnown(context, key, known.pointer, word);
      if (next === "stale") return "stale";
      known = next;
    }
  } finally {
    version?.release();
  }
}

/** CAS, flush, clear the mark. Returns the word that the CAS found. */
function* link(context: Context, tail: Pointer, version: NewVersion): Protocol<bigint> {
  const { isDurable } = context.session;
  const desired = isDurable ? withPending(version.pointer) : version.pointer;
  const at = addressIn(tail) + bufferFields.link;
  try {
    const [word] = yield* round(
      commitPoint(compareAndSwap(at, tail, desired)),
      ...settlingPosts(context, tail, desired),
    );
    return word;
  } catch (error) {
    // The reply of a posted CAS is lost, or its flush failed.
    if (context.operation.outcome === "unknown") version.doubted();
    throw error;
  }
}

/** Every so many versions of a key its shortcut follows (H8). */
const shortcutEvery = 8;

/** The write is acknowledged from here on: cursor first, then the books. */
function committed(context: Context, key: Key, replaced: Pointer, version: NewVersion): void {
  const { cursors, retiring, shortcuts, wake } = context.session;
  const { pointer, commitNumber } = version;
  version.linked();
  cursors.set(key, pointer, commitNumber, version.bytes);
  if (commitNumber % shortcutEvery === 0) shortcuts.publish(keyBytes(key), pointer);
  retiring.superseded(key, replaced, pointer, version.bytes);
  if (retiring.isDue) wake();
}

/** The latest version behind a lost CAS, which found `word` in the link of `pointer`. */
function* nextKnown(
  context: Context,
  key: Key,
  pointer: Pointer,
  word: bigint,
): Protocol<Known | "stale"> {
  const next = linkIn(pointer, yield* settleLink(context, pointer, word));
  if (typeof next !== "bigint") return "stale";
  return yield* look(context, key, { pointer: next, commitNumber: 0, isSeen: false });
}

/** Follows the chain from `from`. */
function* look(context: Context, key: Key, from: Known): Protocol<Known | "stale"> {
  const readBytes = bufferHeaderBytes + key.length;
  const tail = yield* walk(context, key, from.pointer, { wantsValue: false, readBytes });
  if (tail.state !== "end") return "stale";
  return { pointer: tail.pointer, commitNumber: tail.header.commitNumber, isSeen: true };
}

/** Writers wait while too much of what this client replaced is not reported yet (H16). */
function* holdBack(context: Context): Protocol<void> {
  const { retiring } = context.session;
  const patience = new Patience(context);
  while (retiring.isFull) {
    if (retiring.isBusy) yield* patience.wait("replaced versions are being reported");
    else yield* retireSome(context, "many");
  }
}
