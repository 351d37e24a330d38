// From a key to its slot, by the home bucket. Without a lock (readers) and under it (inserts,
// deletes, moves). A key is missing only if every entry with its fingerprint was seen to be of
// another key, and those entries stand unchanged afterwards: a key that moves meanwhile keeps its
// entry's place.

import { type Key, keyText, Patience } from "@pdpm/kv";
import {
  CellState,
  clearedEntry,
  copyCapacity,
  decodeState,
  isSizeClass,
  wordAt,
} from "@pdpm/layout";
import { flush, type Post, type Protocol, read, round } from "@pdpm/verbs";
import { type BucketChain, homeOf, type PlacedEntry, readChain } from "./bucket-chain.ts";
import { lockBucket } from "./bucket-lock.ts";
import { repairBucket } from "./bucket-repair.ts";
import type { Cursor } from "./cursor-cache.ts";
import { corrupt, corruptSlot } from "./damage.ts";
import { slotPatience } from "./held-up.ts";
import { release } from "./holds.ts";
import { judge } from "./judge.ts";
import { recoverSlot } from "./recovery.ts";
import type { Context } from "./session.ts";
import { committedOffset, readBytesFor, SlotView } from "./slot-view.ts";
import { reloadUnknown } from "./table-refresh.ts";

/** Enough for the word, a header and the longest key. */
const headBytes = 8 + 40 + 1024;
/** Equal unclear looks in a row, with nobody writing, after which the bytes are damaged. */
const equalLooksMost = 6;

/** A slot that is the key's, and the entry that names it. */
export interface Placed {
  readonly cursor: Cursor;
  readonly entry: PlacedEntry;
}

/** What the candidates of a key turned out to be. */
type Match =
  | { readonly kind: "found"; readonly placed: Placed }
  | { readonly kind: "missing" | "deleted" | "changed" }
  | { readonly kind: "unclear" | "moving"; readonly view: SlotView };

/**
 * Tells damage from work in progress: bytes that stay as they are while nobody holds their slot.
 */
export class Looks {
  #before: SlotView | undefined;
  #equal = 0;

  /** Whether `view` was seen so often enough. */
  showDamage(view: SlotView): boolean {
    const before = this.#before;
    const isSame = before?.slot === view.slot && Buffer.compare(before.bytes, view.bytes) === 0;
    this.#equal = isSame && !view.word?.owner ? this.#equal + 1 : 0;
    this.#before = view;
    return this.#equal >= equalLooksMost;
  }
}

/** The slot of `key` without any lock, or undefined: two round trips when nothing is going on. */
export function* findSlot(context: Context, key: Key): Protocol<Cursor | undefined> {
  const home = homeOf(context, key);
  const patience = new Patience(context);
  const looks = new Looks();
  for (;;) {
    const chain = yield* readChain(context, home.bucket);
    const match = yield* matchKey(context, key, home.fingerprint, chain);
    if (match.kind === "found") {
      yield* settlePending(context, [match.placed.entry]);
      return match.placed.cursor;
    }
    if (match.kind === "missing" || match.kind === "deleted") {
      if (chain.damaged) throw corrupt(`the bucket of ${keyText(key)} is damaged`);
      return undefined;
    }
    let byWhom: string;
    if (match.kind === "unclear") {
      if (looks.showDamage(match.view)) throw corruptSlot(key, match.view.slot);
      byWhom = yield* helpSlotHolder(context, match.view, key);
    } else if (match.kind === "moving") {
      // Not the bucket's: a power failure may have opened its lock, which is never flushed.
      byWhom = yield* helpSlotHolder(context, match.view, key);
    } else {
      byWhom = yield* helpBucketHolder(context, chain);
    }
    yield* patience.wait(`${keyText(key)} is being changed${byWhom}`);
  }
}

/**
 * Under the bucket's lock: the key's slot and entry, or undefined. `chain` may be read again.
 * @throws HeldUp when the bucket would be held too long
 */
export function* findLocked(
  context: Context,
  key: Key,
  chain: BucketChain,
): Protocol<Placed | undefined> {
  const { fingerprint } = homeOf(context, key);
  const patience = slotPatience(context, chain);
  const looks = new Looks();
  for (;;) {
    const match = yield* matchKey(context, key, fingerprint, chain);
    if (match.kind === "found") return match.placed;
    if (match.kind === "missing") {
      if (chain.damaged) throw corrupt(`the bucket of ${keyText(key)} is damaged`);
      return undefined;
    }
    if (match.kind === "changed") {
      throw corrupt(`the bucket of ${keyText(key)} names a slot that is not there`);
    }
    if (match.kind !== "unclear") {
      // Whoever deleted or moved it held this lock and lost it: to a power failure, as locks are
      // not flushed. What it left is finished, as when the lock is taken over from the dead.
      yield* repairBucket(context, chain);
      chain.become(yield* readChain(context, chain.home));
      yield* patience.wait(`${keyText(key)} is being recovered`);
      continue;
    }
    if (looks.showDamage(match.view)) throw corruptSlot(key, match.view.slot);
    const byWhom = yield* helpSlotHolder(context, match.view, key, chain);
    yield* patience.wait(`${keyText(key)} is being changed${byWhom}`);
  }
}

function* matchKey(
  context: Context,
  key: Key,
  fingerprint: number,
  chain: BucketChain,
): Protocol<Match> {
  const candidates: PlacedEntry[] = [];
  for (const entry of chain.entries()) {
    if (entry.fingerprint !== fingerprint || !isSizeClass(entry.sizeClass)) continue;
    if (!(yield* reloadUnknown(context, entry.cell, entry.sizeClass))) return { kind: "changed" };
    candidates.push(entry);
  }
  if (candidates.length === 0) return { kind: "missing" };
  const posts = candidates.map(({ cell, sizeClass }) =>
    read(cell, Math.min(headBytes, committedOffset + copyCapacity(sizeClass))),
  );
  const images = (yield* round(...posts)) as Uint8Array[];
  let other: Match | undefined;
  for (const [i, entry] of candidates.entries()) {
    const match = classify(key, entry, new SlotView(entry.cell, images[i] as Uint8Array));
    if (match?.kind === "found") return match; // Whoever is at work on the others is not waited for.
    if (match?.kind === "deleted" && context.session.isDurable) {
      yield* round(flush(entry.cell, 8)); // Answered only once it is durable (H7).
    }
    other ??= match;
  }
  if (other !== undefined) return other;
  return (yield* areUnchanged(candidates)) ? { kind: "missing" } : { kind: "changed" };
}

/** Undefined: the slot is another key's. */
function classify(key: Key, entry: PlacedEntry, view: SlotView): Match | undefined {
  const { word } = view;
  const copy = view.header(committedOffset);
  if (word === undefined || typeof copy !== "object" || copy.incarnation !== word.incarnation) {
    return { kind: "unclear", view };
  }
  if (word.state === CellState.free || word.state === CellState.claimed) {
    return { kind: "unclear", view };
  }
  if (!view.isOf(key, committedOffset, copy)) return undefined;
  if (word.state === CellState.dead) return { kind: "deleted" };
  if (word.state === CellState.moved) return { kind: "moving", view };
  const { cell: slot, sizeClass } = entry;
  const cursor = { slot, incarnation: word.incarnation, sizeClass, readBytes: readBytesFor(copy) };
  return { kind: "found", placed: { cursor, entry } };
}

/**
 * Whether the entries stand as they were; the mark of one that was pending may be cleared
 * meanwhile.
 */
export function* areUnchanged(entries: readonly PlacedEntry[]): Protocol<boolean> {
  const words = (yield* round(...entries.map(({ at }) => read(at, 8)))) as Uint8Array[];
  return entries.every(
    ({ word }, i) => clearedEntry(wordAt(words[i] as Uint8Array, 0)) === clearedEntry(word),
  );
}

/** Makes entries durable that somebody marked pending: whoever meets the mark flushes (H7). */
export function* settlePending(context: Context, entries: readonly PlacedEntry[]): Protocol<void> {
  const posts: Post[] = entries
    .filter(({ pending }) => pending && context.session.isDurable)
    .map(({ at }) => flush(at, 8));
  if (posts.length > 0) yield* round(...posts);
}

/**
 * If the slot in the way is held by a dead client, finishes its work. `chain`: we hold its bucket.
 * @returns who holds it and goes on, for messages: " by client 7 (pid 12, node)"; else "".
 */
export function* helpSlotHolder(
  context: Context,
  view: SlotView,
  key?: Key,
  chain?: BucketChain,
): Protocol<string> {
  const { session } = context;
  const owner = view.word?.owner ?? 0;
  if (owner === 0 || session.held.has(view.slot)) return "";
  const { alive, who } = yield* judge(context, owner);
  if (alive && owner !== session.clientId) return ` by client ${owner} (${who})`;
  yield* recoverSlot(context, view.slot, owner, key, chain);
  return "";
}

/** The same for the bucket. */
function* helpBucketHolder(context: Context, chain: BucketChain): Protocol<string> {
  const { session } = context;
  if (session.held.has(chain.home)) return "";
  const holder = decodeState(chain.homeImage.lockWord);
  if (holder === undefined || holder.owner === 0) return "";
  const { alive, who } = yield* judge(context, holder.owner);
  if (alive && holder.owner !== session.clientId) return ` by client ${holder.owner} (${who})`;
  // Taking a dead holder's lock repairs the bucket.
  const { hold } = yield* lockBucket(context, chain.home);
  yield* release(context, [hold]);
  return "";
}
