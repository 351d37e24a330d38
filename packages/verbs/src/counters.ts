// Exact counts of what operations cost: round trips, verbs and bytes, by kind of operation. They
// are counted where rounds are posted, so they cannot drift from what was really sent.

import { type Post, type Round, Verb } from "./round.ts";

/** Costs of all operations of one kind. */
export class OperationCounters {
  operations = 0;
  /** Rounds with at least one verb: network round trips on the data path. */
  roundTrips = 0;
  reads = 0;
  writes = 0;
  swaps = 0;
  flushes = 0;
  calls = 0;
  bytesRead = 0;
  bytesWritten = 0;

  /** Adds a round that is about to be posted; true when it is a network round trip. */
  count(round: Round): boolean {
    let isTrip = false;
    for (let i = 0; i < round.length; i += 1) {
      const post = round[i] as Post;
      switch (post.verb) {
        case Verb.read:
          this.reads += 1;
          this.bytesRead += post.bytes;
          break;
        case Verb.write:
          this.writes += 1;
          this.bytesWritten += post.bytes;
          break;
        case Verb.compareAndSwap:
          this.swaps += 1;
          break;
        case Verb.flush:
          this.flushes += 1;
          break;
        case Verb.call:
          this.calls += 1;
          continue;
        default:
          continue;
      }
      isTrip = true;
    }
    if (isTrip) this.roundTrips += 1;
    return isTrip;
  }
}

/** Counters by kind of operation, made at first use. */
export class CounterTable {
  readonly #kinds = new Map<string, OperationCounters>();

  kind(name: string): OperationCounters {
    let counters = this.#kinds.get(name);
    if (counters === undefined) {
      counters = new OperationCounters();
      this.#kinds.set(name, counters);
    }
    return counters;
  }

  /** A copy: kind -> counts. */
  snapshot(): Record<string, OperationCounters> {
    const copy: Record<string, OperationCounters> = {};
    for (const [name, counters] of this.#kinds) {
      copy[name] = Object.assign(new OperationCounters(), counters);
    }
    return copy;
  }
}
