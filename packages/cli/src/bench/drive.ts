// Keeps a number of operations in flight until a source ends, time is up, or enough were done.
//
// - Over mapped memory nothing ever waits, and a loop of promises alone would starve the event
//   loop: after some milliseconds every slot waits for its next turn, so timers and messages get
//   theirs.
// - With a rate, operations begin at their own times, whatever the earlier ones do (open loop); one
//   that had to wait for a free slot has a long intended time, and that is the point of it.

import { type Clock, sleep } from "@pdpm/base";

/** What is to be driven. */
export interface Drive<T> {
  readonly clock: Clock;
  /** The next operation, or undefined when there is none. */
  readonly next: () => T | undefined;
  /** Performs one; resolves to whether it ended well. */
  readonly perform: (operation: T, intendedMs: number | undefined) => Promise<boolean>;
  readonly inFlight: number;
  readonly signal: AbortSignal;
  /** No operation begins after that long. Milliseconds. */
  readonly forMs?: number | undefined;
  readonly operationsMost?: number | undefined;
  /** Operations per second. */
  readonly rate?: number | undefined;
  /** Ends at the first failure; otherwise a failure costs a short pause. */
  readonly stopsAtFailure?: boolean;
}

/** Longest time without a turn of the event loop, in milliseconds. */
const turnMs = 5;
/** After a failure, so that a dead node is not asked a million times a second. */
const failurePauseMs = 10;
/** A timer is this late at worst; the rest of a wait is spent in turns of the event loop. */
const timerSlackMs = 2;

/** Runs until it is over; settles when nothing is in flight any more. */
export async function drive<T>(task: Drive<T>): Promise<void> {
  const { clock } = task;
  const state = { startMs: clock.now(), begun: 0, isOver: false };
  const turns = new Turns(clock);
  const slots = Array.from({ length: task.inFlight }, () => slot(task, state, turns));
  await Promise.all(slots);
}

interface State {
  readonly startMs: number;
  begun: number;
  isOver: boolean;
}

async function slot<T>(task: Drive<T>, state: State, turns: Turns): Promise<void> {
  const { clock, forMs = Infinity, operationsMost = Infinity, rate, signal } = task;
  while (!state.isOver && !signal.aborted && state.begun < operationsMost) {
    const turn = turns.due();
    if (turn !== undefined) {
      await turn;
      continue;
    }
    const nth = state.begun;
    const dueMs = rate === undefined ? undefined : (nth * 1000) / rate;
    if ((dueMs ?? clock.now() - state.startMs) >= forMs) return;
    const operation = task.next();
    if (operation === undefined) return;
    state.begun += 1;
    const intendedMs = dueMs === undefined ? undefined : state.startMs + dueMs;
    if (intendedMs !== undefined) await until(clock, intendedMs);
    const isWell = await task.perform(operation, intendedMs);
    if (isWell) continue;
    if (task.stopsAtFailure === true) state.isOver = true;
    else await sleep(clock, failurePauseMs);
  }
}

/** Waits until a time, to some ten microseconds. */
async function until(clock: Clock, timeMs: number): Promise<void> {
  const waitMs = timeMs - clock.now();
  if (waitMs > timerSlackMs) await sleep(clock, waitMs - timerSlackMs);
  while (clock.now() < timeMs) await sleep(clock, 0);
}

/** Turns of the event loop, taken by all slots together. */
class Turns {
  readonly #clock: Clock;
  #lastMs: number;
  #next: Promise<void> | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#lastMs = clock.now();
  }

  /** The next turn, if it must be waited for now. */
  due(): Promise<void> | undefined {
    if (this.#next === undefined && this.#clock.now() - this.#lastMs < turnMs) return undefined;
    this.#next ??= sleep(this.#clock, 0).then(() => {
      this.#next = undefined;
      this.#lastMs = this.#clock.now();
    });
    return this.#next;
  }
}
