// Iterates over keys, home bucket by home bucket, without locks. A key that is present throughout
// comes exactly once: it stays in its home bucket, and in the same entry there even when its value
// moves.

import { type Key, Patience, toKey } from "@pdpm/kv";
import {
  type Address,
  addressText,
  BucketImage,
  bucketBytes,
  CellState,
  copyCapacity,
  copyHeaderBytes,
} from "@pdpm/layout";
import { type Protocol, read, round } from "@pdpm/verbs";
import { followChain, homeOf } from "./bucket-chain.ts";
import { corrupt } from "./damage.ts";
import { areUnchanged, findSlot, helpSlotHolder, Looks, settlePending } from "./find-slot.ts";
import type { Context } from "./session.ts";
import { committedOffset, SlotView } from "./slot-view.ts";
import { reloadUnknown } from "./table-refresh.ts";

/** Home buckets that one page covers. */
export const bucketsPerPage = 16;
/** Enough for the word, a header and the longest key. */
const headBytes = 8 + 40 + 1024;

/** The keys of up to 16 home buckets from number `first` on. */
export function* scanPage(context: Context, first: number): Protocol<Key[]> {
  const { geometry } = context.session;
  const count = Math.min(bucketsPerPage, geometry.homeBuckets - first);
  const homes = Array.from({ length: count }, (_, i) => geometry.homeBucket(first + i));
  const images = (yield* round(...homes.map((home) => read(home, bucketBytes)))) as Uint8Array[];
  const keys: Key[] = [];
  for (const [i, home] of homes.entries()) {
    keys.push(...(yield* scanBucket(context, home, new BucketImage(images[i] as Uint8Array))));
  }
  return keys;
}

function* scanBucket(context: Context, home: Address, first: BucketImage): Protocol<Set<Key>> {
  const patience = new Patience(context);
  const looks = new Looks();
  let image = first;
  for (;;) {
    const keys = yield* scanOnce(context, home, image, looks);
    if (typeof keys === "object") return keys;
    yield* patience.wait(`bucket ${addressText(home)} is being changed${keys}`);
    const [bytes] = yield* round(read(home, bucketBytes));
    image = new BucketImage(bytes);
  }
}

/**
 * When an entry changed meanwhile, or a slot cannot be made out yet: text that says by whom, or "".
 * Then it is to be tried again.
 */
function* scanOnce(
  context: Context,
  home: Address,
  image: BucketImage,
  looks: Looks,
): Protocol<Set<Key> | string> {
  const chain = yield* followChain(context, home, image);
  const entries = [...chain.entries()];
  if (chain.damaged) throw corrupt(`bucket ${addressText(home)} is damaged`);
  const keys = new Set<Key>();
  if (entries.length === 0) return keys;
  yield* settlePending(context, entries);
  for (const { cell, sizeClass } of entries) {
    if (!(yield* reloadUnknown(context, cell, sizeClass))) return "";
  }
  const reads = entries.map(({ cell, sizeClass }) =>
    read(cell, Math.min(headBytes, committedOffset + copyCapacity(sizeClass))),
  );
  const slots = (yield* round(...reads)) as Uint8Array[];
  for (const [i, { cell }] of entries.entries()) {
    const view = new SlotView(cell, slots[i] as Uint8Array);
    const key = keyOf(view);
    if (key === undefined) {
      if (looks.showDamage(view))
        throw corrupt(`the key in cell ${addressText(cell)} does not verify`);
      return yield* helpSlotHolder(context, view);
    }
    // Followed into an overflow bucket that serves another home bucket by now: not a key of this
    // one.
    if (keys.has(key) || homeOf(context, key).bucket !== home) continue;
    // A slot in transition says what key it was; whether that lives is for a look-up to say.
    if (view.isLive || (yield* findSlot(context, key)) !== undefined) keys.add(key);
  }
  // A key that moved away before its slot was read is found at the second try.
  return (yield* areUnchanged(entries)) ? keys : "";
}

/** The key that a named slot is of; undefined when that cannot be said now. */
function keyOf(view: SlotView): Key | undefined {
  const { word } = view;
  const copy = view.header(committedOffset);
  if (word === undefined || typeof copy !== "object") return undefined;
  if (word.state === CellState.free || word.state === CellState.claimed) return undefined;
  if (copy.incarnation !== word.incarnation) return undefined;
  const start = committedOffset + copyHeaderBytes;
  return toKey(view.bytes.subarray(start, start + copy.keyBytes));
}
