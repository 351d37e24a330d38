// How far the sweep over all keys is, and what waits for its end.

import type { Address } from "@pdpm/layout";

/** The sweep of one session. */
export class SweepState {
  isUnderWay = false;
  /** The last key that was seen; null: none yet. */
  after: Uint8Array | null = null;
  /** Bytes that may be a damaged live cell: those that no record has named so far. */
  readonly suspects: Set<Address> = new Set<Address>();
  /** Dead clients that still have spans with suspects. */
  readonly owing: Set<number> = new Set<number>();

  /** From the first key on, again. */
  begin(): void {
    this.isUnderWay = true;
    this.after = null;
  }
}
