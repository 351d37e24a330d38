// What this client has replaced or deleted and not yet reported to the metadata service: per key
// the versions that it saw superseded, oldest first, and the version behind them.
//
// A key whose head moves on costs the metadata service a record, however many versions that frees.
// So while this client writes, versions wait, as long as they are few for the store, and the keys
// with many of them go first. When it rests, everything is reported.
//
// Only a list of hints: what is really superseded stands in the chains. An entry that is lost costs
// space until somebody walks the chain again, never data (H9).

import type { Key } from "@pdpm/kv";
import type { Pointer } from "@pdpm/layout";

/** Versions of one key that can be freed when the key's head is `freed[0]`. */
export interface Superseded {
  readonly key: Key;
  readonly freed: Pointer[];
  next: Pointer;
  /** Of the buffers in `freed`, about. */
  bytes: number;
  /** Others linked versions in between: the chain must be walked to know them all. */
  hasGaps: boolean;
}

/** Which keys a report is about; chains that are to be walked always are. */
export type Reported = "any" | "many" | "none";

/** Keys that a report takes at most: of a client at rest, and of one that writes. */
export const reportKeysMost = 512;
const largeReportKeysMost = 16_384;
/** Superseded versions, and their bytes, beyond which writers wait for a report (H16). */
const lagMost = { versions: 2 ** 17, bytes: 2 ** 27 };
/** The bytes are at most this part of the store. */
const storePart = 1 / 8;
/** Beyond this part of the most there is something to report. */
const dueAt = 1 / 2;
/** A report goes on down to this part. */
const restAt = 1 / 4;

/** The queue of one session. */
export class RetireQueue {
  #superseded = new Map<Key, Superseded>();
  /** Keys whose chains are to be walked: sealed ones, and those whose report failed. */
  readonly #toWalk = new Set<Key>();
  /** Versions in the queue. */
  lag = 0;
  #lagBytes = 0;
  /** Something was superseded since the last turn. */
  #isFresh = false;
  readonly #lagBytesMost: number;
  /** A report is under way: of two, the later one might arrive first, and be refused. */
  isBusy = false;

  /** Of a store that may grow to `storeBytes`. */
  constructor(storeBytes: number) {
    this.#lagBytesMost = Math.min(lagMost.bytes, storePart * storeBytes);
  }

  /** `next`, of so many bytes, was linked behind `old`, and acknowledged. */
  superseded(key: Key, old: Pointer, next: Pointer, bytes: number): void {
    this.#isFresh = true;
    this.lag += 1;
    this.#lagBytes += bytes;
    const entry = this.#superseded.get(key);
    if (entry === undefined) {
      this.#superseded.set(key, { key, freed: [old], next, bytes, hasGaps: false });
      return;
    }
    if (entry.next !== old) entry.hasGaps = true;
    entry.freed.push(old);
    entry.next = next;
    entry.bytes += bytes;
  }

  /** Enough waits for a report, also while this client writes. */
  get isDue(): boolean {
    return this.#isOver(dueAt);
  }

  /** A report that has begun goes on. */
  get isWorthMore(): boolean {
    return this.#isOver(restAt);
  }

  /** Whether nothing was superseded since this was asked last. */
  rests(): boolean {
    const isFresh = this.#isFresh;
    this.#isFresh = false;
    return !isFresh;
  }

  /** Writers wait. */
  get isFull(): boolean {
    return this.#isOver(1);
  }

  #isOver(part: number): boolean {
    return this.#fullness >= part;
  }

  get #fullness(): number {
    return Math.max(this.lag / lagMost.versions, this.#lagBytes / this.#lagBytesMost);
  }

  /**
   * The key's chain begins with `head` now. What stood before it was freed, perhaps by a walk that
   * knew more than this queue: to report that once more would only be refused.
   */
  begins(key: Key, head: Pointer): void {
    const entry = this.#superseded.get(key);
    if (entry === undefined || entry.freed[0] === head) return;
    if (entry.next === head) {
      this.#takeOut(entry);
      return;
    }
    const first = entry.freed.indexOf(head);
    if (first < 0) return;
    const bytes = (entry.bytes * first) / entry.freed.length;
    entry.freed.splice(0, first);
    entry.bytes -= bytes;
    this.lag -= first;
    this.#lagBytes -= bytes;
  }

  /** The key's chain was sealed. */
  sealed(key: Key): void {
    const entry = this.#superseded.get(key);
    if (entry !== undefined) this.#takeOut(entry);
    this.#toWalk.add(key);
  }

  /** A report of these keys failed: their chains are to be walked. */
  failed(keys: Iterable<Key>): void {
    for (const key of keys) this.#toWalk.add(key);
  }

  /** The key's sealed chain was forgotten. */
  forgotten(key: Key): void {
    this.#toWalk.delete(key);
  }

  /**
   * Takes keys out, those that waited longest. "many": all that have more versions than the average
   * one, and others until the queue is at rest; few large reports write a span's record less often
   * than many small ones.
   */
  takeSuperseded(which: Reported): Superseded[] {
    const taken: Superseded[] = [];
    if (which === "any") this.#take(taken, reportKeysMost, () => true);
    if (which !== "many") return taken;
    const average = this.lag / this.#superseded.size;
    this.#take(taken, largeReportKeysMost, ({ freed }) => freed.length > average);
    this.#take(taken, largeReportKeysMost, () => this.isWorthMore);
    return taken;
  }

  #take(taken: Superseded[], most: number, isWanted: (entry: Superseded) => boolean): void {
    for (const entry of this.#superseded.values()) {
      if (taken.length >= most) return;
      if (!isWanted(entry)) continue;
      this.#takeOut(entry);
      taken.push(entry);
    }
  }

  #takeOut({ key, freed, bytes }: Superseded): void {
    this.#superseded.delete(key);
    this.lag -= freed.length;
    this.#lagBytes -= bytes;
  }

  /** Takes up to `most` keys whose chains are to be walked. */
  takeToWalk(most: number): Key[] {
    const taken: Key[] = [];
    for (const key of this.#toWalk) {
      if (taken.length >= most) break;
      taken.push(key);
    }
    for (const key of taken) this.#toWalk.delete(key);
    return taken;
  }

  /** Reports after which everything that is here now was taken, `walkedMost` chains in each. */
  reports(walkedMost: number): number {
    const { size } = this.#superseded;
    return Math.max(Math.ceil(size / reportKeysMost), Math.ceil(this.#toWalk.size / walkedMost));
  }

  /** Whether there is nothing to report. */
  get isEmpty(): boolean {
    return this.#superseded.size === 0 && this.#toWalk.size === 0;
  }

  /** Whether chains wait to be walked. */
  get hasToWalk(): boolean {
    return this.#toWalk.size > 0;
  }
}
