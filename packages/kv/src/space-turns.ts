// One operation of a client at a time makes space; the others wait for what it makes. Who waited
// through a whole attempt for its own class knows what that found.

import { assert } from "@pdpm/base";

/** The turns of one session. */
export class SpaceTurns {
  #isTaken = false;
  #begun = 0;
  /** By class: the last attempt that found nothing. */
  readonly #failed = new Map<number, number>();

  get isTaken(): boolean {
    return this.#isTaken;
  }

  /** Attempts so far. */
  get begun(): number {
    return this.#begun;
  }

  take(): void {
    assert(!this.#isTaken, "one operation makes space at a time");
    this.#isTaken = true;
    this.#begun += 1;
  }

  end(): void {
    this.#isTaken = false;
  }

  /** The attempt that is under way found nothing for this class. */
  fail(sizeClass: number): void {
    this.#failed.set(sizeClass, this.#begun);
  }

  /** Whether an attempt that began after attempt `begun` found nothing for this class. */
  hasFailedSince(begun: number, sizeClass: number): boolean {
    return (this.#failed.get(sizeClass) ?? 0) > begun;
  }
}
