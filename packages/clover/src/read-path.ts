// Clover's read: one round trip when the client knows the latest version.
//
//   1. READ [header | key | value] at the cursor; for a key whose cursor was stale lately the
//      shortcut rides in the same round.
//   2. Same life, same key, everything verifies, and the link leads to itself: return the value.
//   The link leads on: follow it, one round trip a hop, and remember where it ended.
//   Another life, a seal, or no cursor: ask the directory (find-tail.ts).
//
// Linearizable: a version whose link led to itself when the link was read was the key's value then.
// The link is loaded before the bytes that it guards are copied. A pending link is made durable
// before anything is returned, so no power failure undoes it. Source: paper section 4.2; design H1,
// H2, H7, H8.

import type { Found, Key } from "@pdpm/kv";
import { addressIn, linkIn, type Pointer } from "@pdpm/layout";
import { type Protocol, read, round } from "@pdpm/verbs";
import { findTail } from "./find-tail.ts";
import type { Context } from "./session.ts";
import { firstReadBytes, versionBytes, versionHead, versionValue } from "./version.ts";
import { type Tail, walk } from "./walk.ts";

/** The value of `key`, or undefined. */
export function* readKey(context: Context, key: Key): Protocol<Found | undefined> {
  const { cursors, events, table } = context.session;
  const entry = cursors.find(key);
  if (entry >= 0 && table.reaches(cursors.address(entry))) {
    const pointer = cursors.pointer(entry);
    const bytes = Math.min(cursors.readBytes(entry), table.roomAt(cursors.address(entry)));
    if (cursors.isStaleLately(entry)) {
      const found = yield* readWithShortcut(context, key, pointer, bytes);
      if (found !== "stale") return found;
    } else {
      const [image] = yield* round(read(cursors.address(entry), bytes)); // The one round trip.
      const found = take(pointer, key, image);
      if (found !== undefined) {
        events.cursorHits += 1;
        return found;
      }
      const walked = yield* readFrom(context, key, pointer, bytes);
      if (walked !== "stale") return walked;
    }
    cursors.delete(key);
  }
  events.cursorMisses += 1;
  const tail = yield* findTail(context, key, {
    wantsValue: true,
    readBytes: firstReadBytes,
    forgets: false,
  });
  if (tail.state === "missing") return undefined;
  return remember(context, key, tail);
}

/** The common case: the latest version, whole and settled; else undefined, and the walk decides. */
function take(pointer: Pointer, key: Key, image: Uint8Array): Found | undefined {
  const header = versionHead(pointer, key, image);
  if (typeof header !== "object" || header.link !== pointer) return undefined;
  const value = versionValue(header, image);
  return typeof value === "object" ? { value, version: header.commitNumber } : undefined;
}

/** Walks from a hint; "stale" when it is none any more. */
function* readFrom(
  context: Context,
  key: Key,
  pointer: Pointer,
  readBytes: number,
): Protocol<Found | "stale"> {
  const tail = yield* walk(context, key, pointer, { wantsValue: true, readBytes });
  if (tail.state !== "end") {
    context.session.events.cursorsStale += 1;
    return "stale";
  }
  return remember(context, key, tail);
}

/**
 * Cursor and shortcut in one round. The shortcut is a hint (H8): where it leads is walked from like
 * from any cursor, and a result counts only at a version without a next one.
 */
function* readWithShortcut(
  context: Context,
  key: Key,
  pointer: Pointer,
  bytes: number,
): Protocol<Found | "stale"> {
  const { session } = context;
  const cell = session.shortcuts.cell(key);
  const [image, hint] = yield* round(read(addressIn(pointer), bytes), read(cell, 8));
  const found = take(pointer, key, image);
  if (found !== undefined) {
    session.events.cursorHits += 1;
    session.cursors.markStale(session.cursors.find(key), false);
    return found;
  }
  const shortcut = session.shortcuts.decode(hint);
  const header = versionHead(pointer, key, image);
  // Without a next version behind the cursor the walk from there is as short as any.
  const isPassed = typeof header === "object" && typeof linkIn(pointer, header.link) === "bigint";
  if (isPassed && shortcut !== undefined && shortcut !== pointer) {
    const ahead = yield* walk(context, key, shortcut, { wantsValue: true, readBytes: bytes });
    if (ahead.state === "end") {
      session.events.shortcutHits += 1;
      return remember(context, key, ahead);
    }
  }
  return yield* readFrom(context, key, pointer, bytes);
}

/** The cursor is where the walk ended. */
function remember(context: Context, key: Key, tail: Tail): Found {
  const { cursors } = context.session;
  const { header, pointer, value, hops } = tail;
  const entry = cursors.set(key, pointer, header.commitNumber, versionBytes(header));
  if (entry >= 0) cursors.markStale(entry, hops > 0);
  return { value: value as Uint8Array, version: header.commitNumber };
}
