// One operation of a client at a time makes space; the others wait for what it makes. One that
// waited through a whole attempt of another for its own size class knows what that found.

/** The turns of one session. */
export class SpaceTurns {
  #begun = 0;
  #isTaken = false;
  /** By size class: the last attempt that found nothing. */
  readonly #failed = new Map<number, number>();

  /** Attempts begun so far. */
  get begun(): number {
    return this.#begun;
  }

  get isTaken(): boolean {
    return this.#isTaken;
  }

  /** Whether an attempt that began after the first `begun` ones found nothing for this class. */
  hasFailedSince(begun: number, sizeClass: number): boolean {
    return (this.#failed.get(sizeClass) ?? 0) > begun;
  }

  take(): void {
    this.#isTaken = true;
    this.#begun += 1;
  }

  /** It was made. */
  end(): void {
    this.#isTaken = false;
  }

  /** There was none. */
  fail(sizeClass: number): void {
    this.#failed.set(sizeClass, this.#begun);
  }
}
