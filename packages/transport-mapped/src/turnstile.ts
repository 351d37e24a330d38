// A room that any number of processes are in for moments, again and again, and that one of them may
// have to itself. Two locks: who wants the room alone holds the door, so that nobody new comes in,
// and waits until the room is empty.
//
// What must hold:
// - While somebody is alone nobody is inside, in any process; whoever dies lets go of both locks.
// - Nobody waits for ever: a process that is inside without a break looks at the door now and then,
//   and lets nobody new in while it is held.
// - To come in and go costs four calls of the kernel, and nothing while others of this process are
//   in.

import { closeSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { assert, type Clock, PdpmError, sleep } from "@pdpm/base";
import { FileLock, holdersOf, processText } from "./file-lock.ts";
import { type Libc, systemLibc } from "./libc.ts";
import { asPdpmError } from "./system-error.ts";

/** A process that is inside looks at the door this often. Milliseconds. */
const stayMs = 20;
const pauseMs = 1;

/** How a turnstile is made. */
export interface TurnstileOptions {
  readonly clock: Clock;
  /** The locks are `${path}-door` and `${path}-room`. */
  readonly path: string;
  /** The longest wait, to come in or to be alone. Milliseconds. */
  readonly timeoutMs: number;
}

/** See the head of this file. */
export class Turnstile {
  readonly #options: TurnstileOptions;
  readonly #libc: Libc;
  readonly #doorPath: string;
  readonly #roomPath: string;
  readonly #door: number;
  readonly #room: number;
  #inside = 0;
  #since = 0;
  #isClosed = false;

  constructor(options: TurnstileOptions, libc: Libc = systemLibc()) {
    this.#options = options;
    this.#libc = libc;
    this.#doorPath = `${options.path}-door`;
    this.#roomPath = `${options.path}-room`;
    try {
      mkdirSync(dirname(options.path), { recursive: true, mode: 0o700 });
      this.#door = openSync(this.#doorPath, "a", 0o600);
      this.#room = openSync(this.#roomPath, "a", 0o600);
    } catch (error) {
      throw asPdpmError(`cannot open the locks ${options.path}-*`, error);
    }
  }

  /**
   * Comes in; undefined when that was possible at once. `leave` goes with each.
   * @throws PDPM_IN_USE when somebody is alone for longer than the timeout, naming the process.
   */
  enter(): undefined | Promise<void> {
    assert(!this.#isClosed, "the turnstile was closed");
    if (this.#tryEnter()) return undefined;
    return this.#waitToEnter();
  }

  /** Goes. */
  leave(): void {
    assert(this.#inside > 0, "nobody is inside");
    this.#inside -= 1;
    if (this.#inside === 0) this.#libc.unlock(this.#room);
  }

  /** Does `work` while nobody is inside. @throws PDPM_IN_USE */
  async alone<T>(work: () => T): Promise<T> {
    const { clock, timeoutMs } = this.#options;
    const door = await FileLock.wait(clock, this.#doorPath, "exclusive", timeoutMs, this.#libc);
    try {
      const room = await FileLock.wait(clock, this.#roomPath, "exclusive", timeoutMs, this.#libc);
      try {
        return work();
      } finally {
        room.release();
      }
    } finally {
      door.release();
    }
  }

  /** Nobody of this process may be inside. The second time does nothing. */
  close(): void {
    if (this.#isClosed) return;
    assert(this.#inside === 0, `${this.#inside} are inside a turnstile that closes`);
    this.#isClosed = true;
    closeSync(this.#door);
    closeSync(this.#room);
  }

  #tryEnter(): boolean {
    const now = this.#options.clock.now();
    const isStaying = this.#inside > 0;
    if (!isStaying || now - this.#since >= stayMs) {
      if (!this.#libc.tryLock(this.#door, "shared")) return false;
      const isIn = isStaying || this.#libc.tryLock(this.#room, "shared");
      this.#libc.unlock(this.#door);
      if (!isIn) return false;
      this.#since = now;
    }
    this.#inside += 1;
    return true;
  }

  async #waitToEnter(): Promise<void> {
    const { clock, timeoutMs } = this.#options;
    const deadline = clock.now() + timeoutMs;
    do {
      await sleep(clock, pauseMs);
      assert(!this.#isClosed, "the turnstile was closed");
      if (this.#tryEnter()) return;
    } while (clock.now() < deadline);
    const [holder] = holdersOf(this.#doorPath);
    const who = holder === undefined ? "a process" : processText(holder);
    throw new PdpmError(
      "PDPM_IN_USE",
      `${who} has had ${this.#options.path} to itself for ${timeoutMs} ms; end it, then try again`,
    );
  }
}
