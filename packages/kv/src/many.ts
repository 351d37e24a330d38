// Many operations of one call, side by side: over a network they share round trips, and over mapped
// memory they run one after the other without a promise each.
//
// Invariants: at most `inFlightMost` reads or `writesInFlightMost` writes are under way, and, unless
// a single one is larger, `inFlightBytesMost` bytes. Once one has failed no further one starts. The
// call settles only after every operation that it started: nothing goes on behind the caller's
// back.

import { assert, type Clock, isPdpmError, PdpmError, sleep } from "@pdpm/base";
import type { Limits } from "@pdpm/verbs";
import type { Deadline } from "./deadline.ts";

/** Reads of one call under way at most. */
export const inFlightMost = 1024;
/**
 * Writes of one call under way at most: more would only wait for each other, for a client has so
 * many changes under way at a metadata server, and a few are its housekeeping's.
 */
export const writesInFlightMost = 192;
/** Bytes of values of one call under way at most. */
export const inFlightBytesMost: number = 64 * 1024 * 1024;
/** Operations that were ready at once before the event loop gets a turn: about 10 ms. */
const atOnceMost = 8192;

/** What is to be done many times. */
export interface ManyWork<T> {
  /** The method, for messages: "putMany". */
  readonly name: string;
  readonly count: number;
  /** Whether a failure must say how many were applied. */
  readonly writes: boolean;
  /** Starts operation `index`. */
  start(index: number, limits: Limits): T | Promise<T>;
  /** Bytes that operation `index` moves, as far as that is known before it runs. */
  bytesOf(index: number): number;
}

/** One call's operations under way. */
class Many<T> {
  readonly #work: ManyWork<T>;
  readonly #results: T[];
  readonly #failures: unknown[] = [];
  #done = 0;
  #inFlight = 0;
  #inFlightBytes = 0;
  #wake: () => void = () => {};

  constructor(work: ManyWork<T>) {
    this.#work = work;
    this.#results = new Array<T>(work.count);
  }

  async run(clock: Clock, deadline: Deadline): Promise<T[]> {
    const { count } = this.#work;
    let atOnce = 0;
    let limits = deadline.left();
    for (let index = 0; index < count && this.#failures.length === 0; index += 1) {
      const isReady = this.#start(index, limits);
      atOnce = isReady ? atOnce + 1 : 0;
      if (index + 1 === count) break;
      if (atOnce < atOnceMost && this.#hasRoomFor(index + 1)) continue;
      if (atOnce >= atOnceMost) await sleep(clock, 0);
      while (!this.#hasRoomFor(index + 1)) await this.#oneEnds();
      atOnce = 0;
      limits = this.#limitsLeft(deadline) ?? limits;
    }
    while (this.#inFlight > 0) await this.#oneEnds();
    if (this.#failures.length > 0) throw this.#failure();
    assert(this.#done === count, `${this.#done} of ${count} operations ended`);
    return this.#results;
  }

  /** True if it ended at once. */
  #start(index: number, limits: Limits): boolean {
    try {
      const result = this.#work.start(index, limits);
      if (result instanceof Promise) {
        this.#follow(index, result);
        return false;
      }
      this.#results[index] = result;
      this.#done += 1;
    } catch (error) {
      this.#failures.push(error);
    }
    return true;
  }

  #follow(index: number, running: Promise<T>): void {
    const bytes = this.#work.bytesOf(index);
    this.#inFlight += 1;
    this.#inFlightBytes += bytes;
    const end = (): void => {
      this.#inFlight -= 1;
      this.#inFlightBytes -= bytes;
      this.#wake();
    };
    running.then(
      (result) => {
        this.#results[index] = result;
        this.#done += 1;
        end();
      },
      (error: unknown) => {
        this.#failures.push(error);
        end();
      },
    );
  }

  #hasRoomFor(index: number): boolean {
    if (this.#inFlight === 0) return true;
    if (this.#inFlight >= (this.#work.writes ? writesInFlightMost : inFlightMost)) return false;
    return this.#inFlightBytes + this.#work.bytesOf(index) <= inFlightBytesMost;
  }

  #oneEnds(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /** Undefined, and a failure noted, when the caller's time is up. */
  #limitsLeft(deadline: Deadline): Limits | undefined {
    try {
      return deadline.left();
    } catch (error) {
      this.#failures.push(error);
      return undefined;
    }
  }

  #failure(): Error {
    const { name, count, writes } = this.#work;
    const failures = this.#failures;
    const cause = new AggregateError(failures, `${failures.length} operations of ${name} failed`);
    const first = failures[0];
    if (!isPdpmError(first) || !failures.every(isPdpmError)) return cause;
    const unknown = failures.filter(({ outcome }) => outcome === "unknown").length;
    const counts = writes
      ? `${this.#done} of ${count} were applied, ${unknown} may have been, ` +
        `${count - this.#done - unknown} were not`
      : `${this.#done} of ${count} were read`;
    const outcome = writes && this.#done + unknown > 0 ? "unknown" : "not-applied";
    return new PdpmError(first.code, `${name}: ${counts}; ${first.text}`, { outcome, cause });
  }
}

/**
 * Runs `work.count` operations side by side.
 * @returns their results in order.
 * @throws the code of the first failure, when all that was started has ended: how many operations
 *   were applied, the outcome "unknown" if any of them may have been, and every failure in `cause`.
 */
export function runMany<T>(work: ManyWork<T>, clock: Clock, deadline: Deadline): Promise<T[]> {
  return new Many(work).run(clock, deadline);
}
