// What a write builds on, and what became of it: shared by update, insert and delete.

import type { Pointer } from "@pdpm/layout";

/** What a write builds on: the version that was the latest one when it was last looked at. */
export interface Known {
  readonly pointer: Pointer;
  readonly commitNumber: number;
  /** Seen to be the latest by this operation; else a cursor says so, and the CAS will tell. */
  readonly isSeen: boolean;
}

/** What became of one try. "stale": the version that was built on is not the key's latest. */
export type Written = "done" | "stale";
