// What the server half asks of the node that it serves: the memory, and the control plane. Who may
// come in, and what a fence means, is the node's to decide.

import type { Memory } from "@pdpm/verbs";
import type { Judgement, NodeHello, NodeStats } from "./control.ts";
import type { VerbCounter } from "./verb-counter.ts";

/** One connection, as far as admission and fencing need it. */
export interface Connection {
  /** Whether no verb of it will be applied any more. */
  readonly isEnded: boolean;
  /** Settles when it has ended and no verb of it is queued or running. */
  readonly gone: Promise<void>;
  /** Ends it, now: nothing more of it is applied. Settles like `gone`. */
  end(reason: string): Promise<void>;
}

/** A memory node behind its server. Methods throw or reject with PdpmError. */
export interface MemoryService {
  readonly memory: Memory;
  /** Counts what connections applied. */
  readonly applied: VerbCounter;
  hello(): NodeHello;
  /** Admits `connection` with `id`, or with an id that nobody had before. */
  admit(connection: Connection, id: number | undefined): Promise<number>;
  fence(id: number): Promise<void>;
  judge(id: number): Judgement;
  /** Resolves with the size that the region has then, in bytes. */
  extend(sizeBytes: number): Promise<number>;
  stats(): NodeStats;
}
