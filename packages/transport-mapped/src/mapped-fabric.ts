// The mapped fabric: a round is applied by this thread's own CPU, ready at once unless a flush
// waits.

import { PdpmError } from "@pdpm/base";
import {
  applyPosts,
  type NodeFabric,
  type Post,
  type Replies,
  type Round,
  Verb,
} from "@pdpm/verbs";
import type { MappedRegion } from "./mapped-region.ts";

/** Verbs applied without failure since the fabric was made, and the bytes they moved. */
export interface AppliedVerbs {
  readonly reads: number;
  readonly writes: number;
  readonly compareAndSwaps: number;
  readonly flushes: number;
  /** Of reads, and of writes and compare-and-swaps. */
  readonly bytesRead: number;
  readonly bytesWritten: number;
}

/** Reaches one memory node of this host through its mapped region, which it closes with itself. */
export class MappedFabric implements NodeFabric {
  readonly region: MappedRegion;
  readonly #applied = { reads: 0, writes: 0, compareAndSwaps: 0, flushes: 0 };
  #bytesRead = 0;
  #bytesWritten = 0;

  constructor(region: MappedRegion) {
    this.region = region;
  }

  post(round: Round): Replies | Promise<Replies> {
    const replies = applyPosts(this.region, round);
    if (!(replies instanceof Promise)) {
      this.#count(round, replies);
      return replies;
    }
    return replies.then((settled) => {
      this.#count(round, settled);
      return settled;
    });
  }

  extend(sizeBytes: number): Promise<void> {
    return this.region.extend(sizeBytes);
  }

  close(): Promise<void> {
    return this.region.close();
  }

  /** What was applied so far. A round is counted when all its replies are in. */
  get applied(): AppliedVerbs {
    return { ...this.#applied, bytesRead: this.#bytesRead, bytesWritten: this.#bytesWritten };
  }

  #count(round: Round, replies: Replies): void {
    const applied = this.#applied;
    for (let i = 0; i < round.length; i += 1) {
      const post = round[i] as Post;
      if (replies[i] instanceof PdpmError) continue;
      if (post.verb === Verb.read) {
        applied.reads += 1;
        this.#bytesRead += post.bytes;
      } else if (post.verb === Verb.flush) {
        applied.flushes += 1;
      } else {
        if (post.verb === Verb.write) applied.writes += 1;
        else applied.compareAndSwaps += 1;
        this.#bytesWritten += post.bytes;
      }
    }
  }
}
