// What a write builds on, and what became of it: shared by update and delete.

import type { Pointer } from "@pdpm/layout";

/** The key's cell. */
export interface Known {
  readonly state: "live";
  readonly pointer: Pointer;
  readonly commitNumber: number;
  /**
   * The store said so to this operation; else the mapping in memory does, and the commit will tell.
   */
  readonly isSeen: boolean;
}

/** What became of one try. "stale": the key's cell is another one by now. */
export type Written = "done" | "stale";
