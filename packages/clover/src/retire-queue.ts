// What this client has replaced or deleted and not yet reported to the metadata service: per key
// the versions that it saw superseded, oldest first, and the version behind them.
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
  /** Others linked versions in between: the chain must be walked to know them all. */
  hasGaps: boolean;
}

/** Keys that a report takes at most. */
export const reportKeysMost = 512;
/** Superseded versions beyond which writers wait until some were reported (H16). */
export const retireLagMost = 16_384;

/** The queue of one session. */
export class RetireQueue {
  #superseded = new Map<Key, Superseded>();
  /** Keys whose chains are to be walked: sealed ones, and those whose report failed. */
  readonly #toWalk = new Set<Key>();
  /** Versions in the queue. */
  lag = 0;
  /** A report is under way. */
  isBusy = false;

  /** `next` was linked behind `old`, and acknowledged. */
  superseded(key: Key, old: Pointer, next: Pointer): void {
    this.lag += 1;
    const entry = this.#superseded.get(key);
    if (entry === undefined) {
      this.#superseded.set(key, { key, freed: [old], next, hasGaps: false });
      return;
    }
    if (entry.next !== old) entry.hasGaps = true;
    entry.freed.push(old);
    entry.next = next;
  }

  /** The key's chain was sealed. */
  sealed(key: Key): void {
    const entry = this.#superseded.get(key);
    if (entry !== undefined) this.lag -= entry.freed.length;
    this.#superseded.delete(key);
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

  /** Takes up to `reportKeysMost` keys out, those that waited longest. */
  takeSuperseded(): Superseded[] {
    const taken: Superseded[] = [];
    for (const entry of this.#superseded.values()) {
      if (taken.length >= reportKeysMost) break;
      taken.push(entry);
    }
    for (const { key, freed } of taken) {
      this.#superseded.delete(key);
      this.lag -= freed.length;
    }
    return taken;
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

  /** Keys whose chains wait to be walked. */
  get toWalkCount(): number {
    return this.#toWalk.size;
  }
}
