// A node fabric over memory in this process: every reply is ready at once. For tests, and the
// reference that the other fabrics are compared with.

import { applyPosts } from "./apply.ts";
import { ArrayMemory } from "./array-memory.ts";
import type { NodeFabric } from "./fabric.ts";
import type { Replies, Round } from "./round.ts";

/** One memory node in this process. Several clients may share it. */
export class ArrayFabric implements NodeFabric {
  readonly memory: ArrayMemory;

  constructor(memory: ArrayMemory = new ArrayMemory(2 ** 26, 4096)) {
    this.memory = memory;
  }

  post(round: Round): Replies | Promise<Replies> {
    return applyPosts(this.memory, round);
  }

  extend(sizeBytes: number): Promise<void> {
    return this.memory.extend(sizeBytes);
  }

  async close(): Promise<void> {}
}
