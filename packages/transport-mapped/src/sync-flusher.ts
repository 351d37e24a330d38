// Flushes by msync, grouped. While one group is with the kernel the next one gathers, and a group
// is one msync over its hull per window: 32 separate msyncs take 5 to 8 ms on ext4, one over their
// hull 0.6 ms when they are neighbours. The hull costs little, as only dirty pages are written.
//
// What must hold:
// - A range belongs to a group that started after the range was written: a flush never joins the
//   group that is with the kernel already.
// - All waiters of a group get the same answer, and none before `poisoned` was set or checked.

import type { Flusher } from "./flusher.ts";
import type { HeaderWords } from "./header-words.ts";
import type { CallFailure, Libc } from "./libc.ts";
import { poison, refusePoisoned } from "./poison.ts";
import type { Windows } from "./windows.ts";

const pageBytes = 4096;

/** The hull of a group's ranges in one window: byte offsets in it, at page borders. */
interface Hull {
  low: number;
  high: number;
}

/** Groups the flushes of one region in this thread. */
export class SyncFlusher implements Flusher {
  readonly medium = "file";
  readonly #windows: Windows;
  readonly #header: HeaderWords;
  readonly #libc: Libc;
  /** Window index -> hull, of the group that gathers. */
  #hulls = new Map<number, Hull>();
  #gathering: Promise<void> | undefined;
  /** Resolves when the group that is with the kernel is answered; never rejects. */
  #answered: Promise<void> = Promise.resolve();

  constructor(windows: Windows, header: HeaderWords, libc: Libc) {
    this.#windows = windows;
    this.#header = header;
    this.#libc = libc;
  }

  flush(offset: number, bytes: number): Promise<void> {
    const { windowBytes } = this.#windows;
    for (let at = offset; at < offset + bytes; ) {
      const start = at % windowBytes;
      const part = Math.min(offset + bytes - at, windowBytes - start);
      this.#widen(Math.floor(at / windowBytes), start, start + part);
      at += part;
    }
    // Starts in a microtask at the earliest, so that all flushes of one turn are in one group.
    this.#gathering ??= this.#answered.then(() => this.#start());
    return this.#gathering;
  }

  async settled(): Promise<void> {
    // A failure is its own waiters' affair.
    await this.#gathering?.catch(() => undefined);
    await this.#answered;
  }

  #widen(index: number, low: number, high: number): void {
    const from = low - (low % pageBytes);
    const to = Math.ceil(high / pageBytes) * pageBytes;
    const hull = this.#hulls.get(index);
    if (hull === undefined) {
      this.#hulls.set(index, { low: from, high: to });
      return;
    }
    hull.low = Math.min(hull.low, from);
    hull.high = Math.max(hull.high, to);
  }

  #start(): Promise<void> {
    const hulls = this.#hulls;
    this.#hulls = new Map();
    this.#gathering = undefined;
    const answer = this.#sync(hulls);
    this.#answered = answer.catch(() => undefined);
    return answer;
  }

  async #sync(hulls: ReadonlyMap<number, Hull>): Promise<void> {
    refusePoisoned(this.#header);
    const calls: Promise<CallFailure | null>[] = [];
    for (const [index, { low, high }] of hulls) {
      const { address } = this.#windows.get(index);
      calls.push(this.#libc.sync(address + low, high - low).catch(asCallFailure));
    }
    const failure = (await Promise.all(calls)).find((result) => result !== null);
    if (failure !== undefined && failure !== null) throw poison(this.#header, failure);
    refusePoisoned(this.#header);
  }
}

/** A flush that could not even be asked for is one that did not happen. */
function asCallFailure(error: unknown): CallFailure {
  return { errno: 0, text: `msync could not be called (${String(error)})` };
}
