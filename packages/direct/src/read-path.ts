// Direct's read: one round trip when the client knows the slot.
//
//   1. READ [state word | committed copy] at the cached slot address.
//   2. The word must be live in the cached incarnation, header, key and value must verify: return
//      it.
//   Torn (a writer is storing): read again, with back-off. Locked by a dead client: recover first.
//   Not cached, or the slot has another life by now: look the key up in its home bucket.
//
// Linearizable: a verified copy under a live word of the same incarnation was the key's value at
// some moment of the read. A copy becomes readable only after the uncommitted copy was durable, so
// no power failure undoes what was returned. Source: paper section 3.1; design H1, H5, H20.

import { Found, type Key, keyText, Patience } from "@pdpm/kv";
import { type Address, CellState, copyCapacity } from "@pdpm/layout";
import { flush, type Protocol, read, repliesTo, round, together } from "@pdpm/verbs";
import type { Cursor } from "./cursor-cache.ts";
import { corruptSlot } from "./damage.ts";
import { findSlot } from "./find-slot.ts";
import { judge } from "./judge.ts";
import { recoverSlot } from "./recovery.ts";
import type { Context } from "./session.ts";
import { committedOffset, foundAtRest, readBytesFor, SlotView } from "./slot-view.ts";

/** Equal torn reads in a row, with nobody writing, after which the bytes are damaged. */
const equalTornReadsMost = 4;

/** The value of `key`, or undefined. */
export function* readKey(context: Context, key: Key): Protocol<Found | undefined> {
  const { cursors, events, table } = context.session;
  const known = cursors.get(key);
  if (known !== undefined && table.isActive(known.slot)) {
    const { slot, incarnation, readBytes } = known;
    // As `yield* round(...)`, without its generator: this one round trip is nearly every get.
    const posts = together(read(slot, readBytes));
    const [image] = repliesTo(posts, yield posts);
    const found =
      foundAtRest(slot, incarnation, key, image) ?? (yield* readSlot(context, key, known, image));
    if (found !== "gone") {
      events.cursorHits += 1;
      return found;
    }
    cursors.delete(key);
  }
  events.cursorMisses += 1;
  const patience = new Patience(context);
  for (;;) {
    const cursor = yield* findSlot(context, key);
    if (cursor === undefined) return undefined;
    const found = yield* readSlot(context, key, cursor);
    if (found !== "gone") return found;
    yield* patience.wait(`the slot of ${keyText(key)} changes hands`);
  }
}

/**
 * The value in the slot; "gone" if the slot no longer has the cursor's life. `first`: what was read
 * of it already, if anything.
 */
function* readSlot(
  context: Context,
  key: Key,
  cursor: Cursor,
  first?: Uint8Array,
): Protocol<Found | "gone"> {
  const { slot } = cursor;
  let bytes = cursor.readBytes;
  let patience: Patience | undefined;
  let before: Uint8Array | undefined;
  let equal = 0;
  let byWhom: string | undefined = "";
  for (let unseen = first; ; unseen = undefined) {
    const image = unseen ?? (yield* round(read(slot, bytes)))[0];
    const view = new SlotView(slot, image);
    const { word } = view;
    if (word !== undefined) {
      if (word.incarnation !== cursor.incarnation) return "gone";
      if (word.state === CellState.dead) return yield* goneForGood(context, slot);
      if (word.state !== CellState.live) return "gone";
      byWhom = word.owner === 0 ? "" : yield* livingHolder(context, slot, word.owner, key);
      if (byWhom === undefined) {
        patience ??= new Patience(context);
        yield* patience.wait(`${keyText(key)} is being recovered`);
        continue;
      }
      const found = take(context, key, cursor, view);
      if (typeof found === "object") return found;
      if (typeof found === "number") {
        bytes = found;
        continue;
      }
    }
    // Torn. Unchanged bytes under a free lock were not torn by a writer: they are damaged.
    context.session.events.tornReads += 1;
    const unchanged = before !== undefined && Buffer.compare(before, image) === 0;
    equal = unchanged && (word === undefined || word.owner === 0) ? equal + 1 : 0;
    if (equal >= equalTornReadsMost) throw corruptSlot(key, slot);
    before = image;
    patience ??= new Patience(context);
    yield* patience.wait(`${keyText(key)} is being written${byWhom}`);
  }
}

/** The verified value; or how many bytes must be read; or "torn". */
function take(context: Context, key: Key, cursor: Cursor, view: SlotView): Found | number | "torn" {
  const copy = view.header(committedOffset);
  const most = committedOffset + copyCapacity(cursor.sizeClass);
  if (copy === "short") return view.bytes.length < most ? Math.min(most, shortRead) : "torn";
  if (copy === "torn" || copy.incarnation !== cursor.incarnation) return "torn";
  // The life is the cursor's, so the key must be too: anything else is damage, not another key.
  if (!view.isOf(key, committedOffset, copy)) return "torn";
  const readBytes = readBytesFor(copy);
  if (readBytes > most) return "torn";
  const value = view.value(committedOffset, copy);
  if (value === "torn") return "torn";
  if (value === "short") return readBytes;
  if (readBytes !== cursor.readBytes || context.session.cursors.get(key) !== cursor) {
    context.session.cursors.set(key, { ...cursor, readBytes });
  }
  return new Found(value, copy.commitNumber);
}

/** Enough for the word, a header and the longest key. */
const shortRead = 8 + 40 + 1024;

/**
 * Dead: deleted, once that is durable (H7). The lookup that follows finds no entry or this word.
 */
function* goneForGood(context: Context, slot: Address): Protocol<"gone"> {
  if (context.session.isDurable) yield* round(flush(slot, 8));
  return "gone";
}

/**
 * Who holds a slot's lock and goes on with it, for messages: " by client 7 (pid 12, node)".
 * Undefined: a dead one, whose update was finished, torn or not (H5); now the slot is read again.
 */
function* livingHolder(
  context: Context,
  slot: Address,
  owner: number,
  key: Key,
): Protocol<string | undefined> {
  const { session } = context;
  if (owner === session.clientId) {
    if (session.held.has(slot)) return " by this client";
  } else {
    const { alive, who } = yield* judge(context, owner);
    if (alive) return ` by client ${owner} (${who})`;
  }
  yield* recoverSlot(context, slot, owner, key);
  return undefined;
}
