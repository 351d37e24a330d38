// The gate of a directory that one process alone opens, for tests in that process.

import type { OpeningGate } from "./lmdb-store.ts";

/** Lets everybody in. */
export const soleGate: OpeningGate = {
  alone: async (open) => open(),
  enter: () => undefined,
  leave: () => undefined,
  close: () => undefined,
};
