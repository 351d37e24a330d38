// What a coordinator does beside its clients' operations, on time: work whenever it is woken, and
// now and then unasked; and a look for clients of the metadata service that died. Failures wait for
// the next turn; they never reach the program, but stay countable.

import { type Clock, isPdpmError, type PdpmError, sleep } from "@pdpm/base";
import type { Coordinator } from "./coordinator.ts";
import { reapDead } from "./takeover.ts";
import { work } from "./work.ts";

/** Between two turns of work when nobody wakes it, in milliseconds. */
const workMs = 250;
/** Every so many of these turns it looks for the dead. */
const lookTurns = 20;

/** The housekeeping of one coordinator. */
export class Housekeeping {
  readonly #clock: Clock;
  readonly #coordinator: Coordinator;
  readonly #deposed: () => void;
  #running: Promise<void> | undefined;
  #isWanted = false;
  #isEnded = false;
  #turns = 0;
  #cancel: () => void = () => {};
  /** Turns that failed, and why the last one did. */
  failures = 0;
  lastFailure: PdpmError | undefined;

  /** `deposed` is called when this coordinator is refused. */
  constructor(clock: Clock, coordinator: Coordinator, deposed: () => void) {
    this.#clock = clock;
    this.#coordinator = coordinator;
    this.#deposed = deposed;
  }

  begin(): void {
    this.#tick();
  }

  /** There is work. */
  wake(): void {
    if (this.#isEnded) return;
    this.#isWanted = true;
    // Settled by stop(); it never rejects.
    this.#running ??= this.#work();
  }

  /** No turn begins any more. */
  end(): void {
    this.#isEnded = true;
    this.#cancel();
  }

  /** The same, and waits for the turn that is running. */
  async stop(): Promise<void> {
    this.end();
    await this.#running;
  }

  #tick(): void {
    if (this.#isEnded) return;
    const later = (): void => {
      this.wake();
      this.#tick();
    };
    this.#cancel = this.#clock.after(workMs, later, { holds: false });
  }

  async #work(): Promise<void> {
    while (this.#isWanted && !this.#isEnded) {
      this.#isWanted = false;
      try {
        if (await this.#coordinator.run("housekeeping", work, {})) this.#isWanted = true;
        this.#turns += 1;
        if (this.#turns % lookTurns === 0) {
          await this.#coordinator.run("housekeeping", reapDead, {});
        }
      } catch (error) {
        this.#note(error);
      }
      // Whatever answers at once, clients get their turn.
      await sleep(this.#clock, 0);
    }
    this.#running = undefined;
  }

  #note(error: unknown): void {
    if (!isPdpmError(error)) throw error;
    this.failures += 1;
    this.lastFailure = error;
    if (error.code === "PDPM_FENCED") this.#deposed();
  }
}
