// Something that is done again and again, never twice at a time, and never keeps the process alive.

import type { Clock } from "@pdpm/base";

/** A task with a pause after each turn. */
export class Repeating {
  readonly #clock: Clock;
  readonly #turn: () => Promise<void>;
  readonly #pauseMs: number | (() => number);
  #cancel: () => void = () => {};
  #running: Promise<void> | undefined;
  #isStopped = false;

  /**
   * `pauseMs` may be asked anew after each turn. `turn` never rejects. Nothing happens before
   * `hurry()`.
   */
  constructor(clock: Clock, pauseMs: number | (() => number), turn: () => Promise<void>) {
    this.#clock = clock;
    this.#pauseMs = pauseMs;
    this.#turn = turn;
  }

  /** Takes the next turn now, unless one is running. */
  hurry(): void {
    if (this.#running !== undefined) return;
    this.#cancel();
    this.#schedule(1);
  }

  /** No turn begins any more; settles when the one that is running has ended. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel();
    await this.#running;
  }

  #schedule(ms: number): void {
    if (this.#isStopped) return;
    this.#cancel = this.#clock.after(ms, () => void this.#take(), { holds: false });
  }

  async #take(): Promise<void> {
    this.#running = this.#turn();
    await this.#running;
    this.#running = undefined;
    this.#schedule(typeof this.#pauseMs === "number" ? this.#pauseMs : this.#pauseMs());
  }
}
