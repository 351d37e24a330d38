// Iterates over keys, home bucket by home bucket, without locks. A key that is present throughout comes
// exactly once: it stays in its home bucket, and in the same entry there even when its value moves.

import { type Key, toKey } from "@pdpm/kv";
import {
  type Address,
  BucketImage,
  bucketBytes,
  CellState,
  copyCapacity,
  copyHeaderBytes,
} from "@pdpm/layout";
import { type Protocol, read, round } from "@pdpm/verbs";
import { followChain, type PlacedEntry } from "./bucket-chain.ts";
import { corrupt } from "./damage.ts";
import { findSlot, settlePending } from "./find-slot.ts";
import { Patience } from "./patience.ts";
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

function* scanBucket(context: Context, home: Address, image: BucketImage): Protocol<Set<Key>> {
  const chain = yield* followChain(context, home, image);
  const entries = [...chain.entries()];
  if (chain.damaged) throw corrupt(`bucket ${home} is damaged`);
  const keys = new Set<Key>();
  if (entries.length === 0) return keys;
  yield* settlePending(context, entries);
  const usable: PlacedEntry[] = [];
  for (const entry of entries) {
    if (yield* reloadUnknown(context, entry.cell, entry.sizeClass)) usable.push(entry);
  }
  const reads = usable.map(({ cell, sizeClass }) =>
    read(cell, Math.min(headBytes, committedOffset + copyCapacity(sizeClass))),
  );
  const slots = (yield* round(...reads)) as Uint8Array[];
  for (const [i, entry] of usable.entries()) {
    const key = yield* keyOf(context, entry, slots[i] as Uint8Array);
    // A slot in transition says what key it was; whether that lives is for a look-up to say.
    if (key !== undefined && !keys.has(key.key)) {
      if (key.isLive || (yield* findSlot(context, key.key)) !== undefined) keys.add(key.key);
    }
  }
  return keys;
}

function* keyOf(
  context: Context,
  entry: PlacedEntry,
  firstLook: Uint8Array,
): Protocol<{ key: Key; isLive: boolean } | undefined> {
  let bytes = firstLook;
  let before: Uint8Array | undefined;
  let equal = 0;
  const patience = new Patience(context);
  for (;;) {
    const view = new SlotView(entry.cell, bytes);
    const { word } = view;
    if (word?.state === CellState.free || word?.state === CellState.claimed) return undefined;
    const copy = view.header(committedOffset);
    if (word !== undefined && typeof copy === "object" && copy.incarnation === word.incarnation) {
      const start = committedOffset + copyHeaderBytes;
      const key = toKey(bytes.subarray(start, start + copy.keyBytes));
      return { key, isLive: view.isLive };
    }
    equal = before !== undefined && Buffer.compare(before, bytes) === 0 ? equal + 1 : 0;
    if (equal > 100) throw corrupt(`the key in cell ${entry.cell} does not verify`);
    before = bytes;
    yield* patience.wait(`cell ${entry.cell} is being written`);
    [bytes] = yield* round(read(entry.cell, firstLook.length));
  }
}
