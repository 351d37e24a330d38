// Read, change, write back: an update is a get and a conditional put, tried again while other
// clients win.
//
// Invariant: at most one update of this client runs per key, in the order of the calls; so updates
// of one client never conflict with each other, and only other clients cost tries (H12).

import {
  type BackoffOptions,
  backoffMs,
  type Clock,
  isPdpmError,
  PdpmError,
  type Prng,
  sleep,
} from "@pdpm/base";
import { Waits } from "@pdpm/verbs";
import type { Backend, Found } from "./backend.ts";
import type { Deadline } from "./deadline.ts";
import type { Key } from "./key.ts";

/** Tries of one update at most. With the back-off below that is more than the default deadline. */
export const updateTriesMost = 200;
const pauses: BackoffOptions = { firstMs: 1, mostMs: 64 };

/** What a change leads to: new bytes for the key, or undefined to leave it as it is. */
export type Change = (found: Found | undefined) => Uint8Array | undefined;

/** What an update ended with. */
export interface Updated {
  /** What the change was made from. */
  readonly found: Found | undefined;
  /** The commit number written; undefined if the change left the key as it was. */
  readonly version: number | undefined;
}

/** The updates of one client. */
export class Updates {
  readonly #backend: Backend;
  readonly #clock: Clock;
  readonly #prng: Prng;
  readonly #waits: Waits;
  /** Key -> settles when the last update that was called so far has ended. Never rejects. */
  readonly #lanes = new Map<Key, Promise<void>>();

  constructor(backend: Backend, clock: Clock, prng: Prng) {
    this.#backend = backend;
    this.#clock = clock;
    this.#prng = prng;
    this.#waits = new Waits(clock);
  }

  /**
   * Runs `change` on the key's present state and writes what it returns, again after every lost
   * race. One get and one conditional put if nobody interferes.
   * @throws PDPM_CONFLICT, PDPM_BUSY (not-applied) when it lost until the deadline or
   *   `updateTriesMost` times; what `change` throws.
   */
  async run(key: Key, deadline: Deadline, change: Change): Promise<Updated> {
    const before = this.#lanes.get(key);
    let end: () => void = () => {};
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    // A caller who leaves while it waits here ends early; those behind it still wait for `before`.
    const lane = before === undefined ? ended : before.then(() => ended);
    this.#lanes.set(key, lane);
    void lane.then(() => {
      if (this.#lanes.get(key) === lane) this.#lanes.delete(key);
    });
    try {
      if (before !== undefined) await this.#waits.until(before, deadline.left(), (why) => why);
      return await this.#tries(key, deadline, change);
    } finally {
      end();
    }
  }

  async #tries(key: Key, deadline: Deadline, change: Change): Promise<Updated> {
    for (let attempt = 1; ; attempt += 1) {
      const found = await this.#backend.get(key, deadline.left());
      const bytes = change(found);
      if (bytes === undefined) return { found, version: undefined };
      let rival: PdpmError;
      try {
        const version = await this.#backend.put(key, bytes, found?.version ?? 0, deadline.left());
        return { found, version };
      } catch (error) {
        if (!mayTryAgain(error)) throw error;
        if (attempt >= updateTriesMost || deadline.passed) throw lost(error, attempt);
        rival = error;
      }
      const pause = sleep(this.#clock, backoffMs(this.#prng, attempt, pauses));
      await this.#waits.until(pause, deadline.left(), (why) =>
        why.code === "PDPM_TIMEOUT" ? lost(rival, attempt) : why,
      );
    }
  }
}

/** The end of an update that always met somebody: it says whom, rather than that time passed. */
function lost(rival: PdpmError, tries: number): PdpmError {
  const text = `the update was tried ${tries} times and always lost; ${rival.text}`;
  return new PdpmError(rival.code, text, { cause: rival });
}

/** Whether the write met somebody else, and certainly left nothing behind. */
function mayTryAgain(error: unknown): error is PdpmError {
  if (!isPdpmError(error) || error.outcome !== "not-applied") return false;
  return error.code === "PDPM_CONFLICT" || error.code === "PDPM_BUSY";
}
