// Superseded cells that wait to be wiped and freed, by key.
//
// - A cell is in the queue, or in the hands of the one who cleans, never both.
// - The cells of a key that is being deleted are frozen: the delete itself frees them.

import type { Key } from "@pdpm/kv";
import type { Pointer } from "@pdpm/layout";

/** From so many cells on housekeeping is woken to clean. */
export const cleanAtCount = 256;
/** From so many cells on writers wait until some were cleaned (H16). */
export const staleMost = 16_384;

/** Cells of one key. */
export interface StaleCells {
  readonly key: Key;
  readonly pointers: readonly Pointer[];
}

/** The queue of one session. */
export class StaleQueue {
  readonly #byKey = new Map<Key, Set<Pointer>>();
  readonly #frozen = new Set<Key>();
  #underWay = new Map<Key, ReadonlySet<Pointer>>();
  #count = 0;
  #isBusy = false;

  /** Cells that wait. */
  get count(): number {
    return this.#count;
  }

  /** Cells in the hands of the one who cleans. */
  get underWayCount(): number {
    let count = 0;
    for (const pointers of this.#underWay.values()) count += pointers.size;
    return count;
  }

  /** Somebody cleans. */
  get isBusy(): boolean {
    return this.#isBusy;
  }

  /** `pointers` were superseded; those that are known already change nothing. */
  add(key: Key, pointers: readonly Pointer[]): void {
    const underWay = this.#underWay.get(key);
    let cells = this.#byKey.get(key);
    if (cells === undefined) {
      cells = new Set();
      this.#byKey.set(key, cells);
    }
    for (const pointer of pointers) {
      if (underWay?.has(pointer) || cells.has(pointer)) continue;
      cells.add(pointer);
      this.#count += 1;
    }
    if (cells.size === 0) this.#byKey.delete(key);
  }

  /** Forgets the cells of a key: they were freed. */
  drop(key: Key): void {
    this.#count -= this.#byKey.get(key)?.size ?? 0;
    this.#byKey.delete(key);
  }

  freeze(key: Key): void {
    this.#frozen.add(key);
  }

  unfreeze(key: Key): void {
    this.#frozen.delete(key);
  }

  /** Whether cells of this key are in the hands of the one who cleans. */
  isUnderWay(key: Key): boolean {
    return this.#underWay.has(key);
  }

  /** Takes up to about `most` cells out, whole keys at a time. One cleans at a time. */
  begin(most: number): readonly StaleCells[] {
    const batch: StaleCells[] = [];
    let count = 0;
    for (const [key, cells] of this.#byKey) {
      if (this.#frozen.has(key)) continue;
      if (count > 0 && count + cells.size > most) break;
      batch.push({ key, pointers: [...cells] });
      this.#underWay.set(key, cells);
      this.#byKey.delete(key);
      count += cells.size;
    }
    this.#count -= count;
    this.#isBusy = batch.length > 0;
    return batch;
  }

  /** The batch is done with; `kept` goes back. */
  end(kept: readonly StaleCells[]): void {
    this.#underWay = new Map();
    this.#isBusy = false;
    for (const { key, pointers } of kept) this.add(key, pointers);
  }
}
