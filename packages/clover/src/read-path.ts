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

import { Found, type Key } from "@pdpm/kv";
import { addressIn, highOf, linkIn, lowOf, type Pointer, pointerOf } from "@pdpm/layout";
import { type Protocol, read, repliesTo, round, together } from "@pdpm/verbs";
import { findTail } from "./find-tail.ts";
import type { Context } from "./session.ts";
import { firstReadBytes, foundAtRest, versionBytes, versionHead } from "./version.ts";
import { type Tail, walk } from "./walk.ts";

/** The value of `key`, or undefined. */
export function* readKey(context: Context, key: Key): Protocol<Found | undefined> {
  const { cursors, events, table } = context.session;
  const entry = cursors.find(key);
  if (entry >= 0 && table.reaches(cursors.address(entry))) {
    let found: Found | "stale";
    if (cursors.isStaleLately(entry)) {
      found = yield* readWithShortcut(context, key, cursorAt(context, entry));
    } else {
      const low = cursors.pointerLow(entry);
      const high = cursors.pointerHigh(entry);
      // As `yield* round(...)`, without its generator: this one round trip is nearly every get.
      const posts = together(read(cursors.address(entry), bytesAt(context, entry)));
      const [image] = repliesTo(posts, yield posts);
      found =
        foundAtRest(low, high, key, image) ??
        (yield* readFrom(context, key, pointerOf(low, high), image.length));
    }
    if (found !== "stale") {
      events.cursorHits += 1;
      return found;
    }
    cursors.delete(key);
  }
  events.cursorMisses += 1;
  const tail = yield* findTail(context, key, {
    wantsValue: true,
    readBytes: firstReadBytes,
    forgets: false,
    asksShortcut: true,
  });
  if (tail.state === "missing") return undefined;
  return remember(context, key, tail);
}

/** Where a read begins, copied: while the protocol waits, the entry may become another key's. */
interface Cursor {
  readonly pointer: Pointer;
  readonly readBytes: number;
}

function cursorAt(context: Context, entry: number): Cursor {
  const pointer = context.session.cursors.pointer(entry);
  return { pointer, readBytes: bytesAt(context, entry) };
}

/** Bytes to read at a cursor. */
function bytesAt({ session }: Context, entry: number): number {
  const { cursors, table } = session;
  return Math.min(cursors.readBytes(entry), table.roomAt(cursors.address(entry)));
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
  { pointer, readBytes }: Cursor,
): Protocol<Found | "stale"> {
  const { session } = context;
  const cell = session.shortcuts.cell(key);
  const [image, hint] = yield* round(read(addressIn(pointer), readBytes), read(cell, 8));
  const found = foundAtRest(lowOf(pointer), highOf(pointer), key, image);
  if (found !== undefined) {
    session.cursors.markStale(session.cursors.find(key), false);
    return found;
  }
  const shortcut = session.shortcuts.decode(hint);
  const leads = shortcut !== undefined && session.table.reaches(addressIn(shortcut));
  const header = versionHead(pointer, key, image);
  // Without a next version behind the cursor the walk from there is as short as any.
  const isPassed = typeof header === "object" && typeof linkIn(pointer, header.link) === "bigint";
  if (isPassed && leads && shortcut !== pointer) {
    const ahead = yield* walk(context, key, shortcut, { wantsValue: true, readBytes });
    if (ahead.state === "end") {
      session.events.shortcutHits += 1;
      return remember(context, key, ahead);
    }
  }
  return yield* readFrom(context, key, pointer, readBytes);
}

/** The cursor is where the walk ended. */
function remember(context: Context, key: Key, tail: Tail): Found {
  const { cursors } = context.session;
  const { header, pointer, value, hops } = tail;
  const entry = cursors.set(key, pointer, header.commitNumber, versionBytes(header));
  if (entry >= 0) cursors.markStale(entry, hops > 0);
  return new Found(value as Uint8Array, header.commitNumber);
}
