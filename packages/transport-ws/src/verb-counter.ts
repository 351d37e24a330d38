// Counts verbs by kind and their payload bytes: at a client when they are put in a frame, at a node
// when they are applied. The two must agree while no connection breaks.

import { type Post, Verb } from "@pdpm/verbs";
import type { VerbCounts } from "./control.ts";

/** Verbs by kind, and the bytes that reads and writes moved. */
export class VerbCounter implements VerbCounts {
  reads = 0;
  writes = 0;
  swaps = 0;
  flushes = 0;
  bytesRead = 0;
  bytesWritten = 0;

  count(post: Post): void {
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
      default:
    }
  }

  /** A copy that does not change any more. */
  snapshot(): VerbCounts {
    const { reads, writes, swaps, flushes, bytesRead, bytesWritten } = this;
    return { reads, writes, swaps, flushes, bytesRead, bytesWritten };
  }
}
