// What the clients of all designs have in common: a backend, and the housekeeping beside it.

import type { PdpmError } from "@pdpm/base";
import type { Backend } from "@pdpm/kv";

/** Housekeeping as far as others ask for it. */
export interface HousekeepingView {
  /** Turns that failed, and why the last one did. */
  readonly failures: number;
  readonly lastFailure: PdpmError | undefined;
  /** Dead clients whose things this client took back. */
  readonly reaped: number;
  /** Judges client `id`, which must be dead, and takes back what it held. Never rejects. */
  takeBack(id: number): Promise<void>;
}

/** Of a client that has none: what it uses is somebody else's to keep. */
export const noHousekeeping: HousekeepingView = {
  failures: 0,
  lastFailure: undefined,
  reaped: 0,
  takeBack: async () => {},
};

/** A client of an open store. */
export interface OpenClient {
  readonly backend: Backend;
  readonly housekeeping: HousekeepingView;
}
