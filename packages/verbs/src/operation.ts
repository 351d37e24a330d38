// One running operation: what it has posted so far, and therefore what may be said of its outcome.
//
// Invariant: `outcome` is "not-applied" exactly when no commit-point verb was posted, or each one
// posted was answered and had no effect. Once a caller has been told "not-applied", no commit-point
// verb of this operation is ever posted: the runner tells the protocol instead.

import type { ErrorOutcome } from "@pdpm/base";
import { assert, PdpmError } from "@pdpm/base";
import type { OperationCounters } from "./counters.ts";
import type { Fabric } from "./fabric.ts";
import { type Post, type Replies, type Round, Verb } from "./round.ts";

/** How long a caller waits for an operation. */
export interface Limits {
  /** Milliseconds from now. @defaultValue no deadline */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** State of one operation between its first round and its end. */
export class Operation {
  readonly counters: OperationCounters;
  /** What its rounds go through, to the end: an operation never changes to another fabric. */
  readonly fabric: Fabric;
  /** Round trips so far (rounds with at least one verb). */
  roundTrips = 0;
  /**
   * Whom it waits for, in words: a deadline then reports PDPM_BUSY with this text. A function is
   * asked at the deadline, and may know nobody.
   */
  waitingFor: string | (() => string | undefined) | undefined;
  /** The backend's: the state of shared tables that this operation has seen. */
  epoch = 0;
  /** Of the runner: its place among those that run. */
  place = -1;
  #told: PdpmError | undefined;
  #delivered = false;
  #commitsPosted = 0;
  #commitsWithoutEffect = 0;

  constructor(counters: OperationCounters, fabric: Fabric) {
    this.counters = counters;
    this.fabric = fabric;
    counters.operations += 1;
  }

  /** Whom it waits for now, in words. */
  get awaited(): string | undefined {
    const { waitingFor } = this;
    return typeof waitingFor === "function" ? waitingFor() : waitingFor;
  }

  /** Whether anything of it may have taken effect. */
  get outcome(): ErrorOutcome {
    return this.#commitsPosted === this.#commitsWithoutEffect ? "not-applied" : "unknown";
  }

  /** Nobody waits any more: the protocol is to clean up at the next round boundary. */
  tell(reason: PdpmError): void {
    this.#told ??= reason;
  }

  /** The reason to throw into the protocol before `round` is posted, once; else undefined. */
  takeTold(): PdpmError | undefined {
    if (this.#told === undefined || this.#delivered || this.outcome === "unknown") return undefined;
    this.#delivered = true;
    return this.#told;
  }

  /** The protocol was told to stop, and had to. */
  get wasTold(): boolean {
    return this.#delivered;
  }

  /** Notes the commit points of a round that is about to be posted. */
  posting(round: Round): void {
    for (const post of round) {
      if (!post.commitPoint) continue;
      assert(!this.#delivered, "a protocol posted a commit point after it was told to stop");
      this.#commitsPosted += 1;
    }
  }

  /** The protocol knows by now that none of the commit points posted so far had an effect. */
  hadNoEffect(): void {
    this.#commitsWithoutEffect = this.#commitsPosted;
  }

  /** Notes what became of them. */
  answered(round: Round, replies: Replies): void {
    for (let i = 0; i < round.length; i += 1) {
      const post = round[i] as Post;
      if (post.commitPoint && hadNoEffect(post, replies[i])) this.#commitsWithoutEffect += 1;
    }
  }
}

function hadNoEffect(post: Post, reply: unknown): boolean {
  if (reply instanceof PdpmError) return reply.outcome === "not-applied";
  return post.verb === Verb.compareAndSwap && reply !== post.expectedWord;
}
