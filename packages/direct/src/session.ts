// What the operations of one Direct client share: who it is, the store's geometry, its caches. A
// client that was fenced comes back with a fresh session: a new id, no cursors, no slots in hand
// (H6).

import type { Prng } from "@pdpm/base";
import { type Address, CellState, RootGeometry, stateWord } from "@pdpm/layout";
import { type ChunkMap, flush, type Operation, type Post } from "@pdpm/verbs";
import { ChunkTable } from "./chunk-table.ts";
import { CursorCache } from "./cursor-cache.ts";
import { SlotPool } from "./slot-pool.ts";

/** What a session needs to know. */
export interface SessionOptions {
  readonly clientId: number;
  readonly chunks: ChunkMap;
  readonly nodeCount: number;
  /** Chunks that the store may have over all nodes, the root chunk included. */
  readonly chunksMost: number;
  /** "power": acknowledged writes are flushed. "process": nothing is. */
  readonly durability: "power" | "process";
  readonly cursorsMost: number;
  readonly prng: Prng;
  /** The operations that are running, for acknowledging changes of the chunk table. */
  readonly running: () => Iterable<Operation>;
}

/** Events that a client counts. */
export class DirectEvents {
  cursorHits = 0;
  cursorMisses = 0;
  lockWaits = 0;
  tornReads = 0;
  recoveries = 0;
  redone = 0;
  chunksCut = 0;
  doubts = 0;
}

/** State of one client under one id. */
export class Session {
  readonly clientId: number;
  readonly geometry: RootGeometry;
  readonly isDurable: boolean;
  readonly nodeCount: number;
  readonly chunksMost: number;
  readonly prng: Prng;
  readonly running: () => Iterable<Operation>;
  readonly table: ChunkTable;
  readonly cursors: CursorCache;
  readonly pool: SlotPool;
  readonly events: DirectEvents = new DirectEvents();
  /**
   * Cells and buckets that a running protocol of this session holds or tries to take. A lock word
   * with our id that is not in here is a leftover of a verb whose reply was lost: it is recovered
   * like a dead client's.
   */
  readonly held: Set<Address> = new Set<Address>();
  /**
   * Cells and buckets that such a leftover may stand in; settled in the background and on close.
   */
  readonly doubts: Set<Address> = new Set<Address>();

  constructor(options: SessionOptions) {
    this.clientId = options.clientId;
    this.geometry = new RootGeometry(options.chunks.chunkBytes);
    this.isDurable = options.durability === "power";
    this.nodeCount = options.nodeCount;
    this.chunksMost = options.chunksMost;
    this.prng = options.prng;
    this.running = options.running;
    this.table = new ChunkTable(options.chunks, this.geometry, this.isDurable);
    this.cursors = new CursorCache(options.cursorsMost);
    this.pool = new SlotPool(this.table, options.prng.fork("pool"));
  }

  /** The flush that a durable store needs here; nothing in a store that promises less. */
  flushes(address: Address, bytes: number): Post<void>[] {
    return this.isDurable ? [flush(address, bytes)] : [];
  }

  /** The state word of a cell in this state, held by this client. */
  myWord(state: CellState, incarnation: number): bigint {
    return stateWord(state, incarnation, this.clientId);
  }

  /** The lock word of a bucket, or the table lock, while this client holds it. */
  get lockWord(): bigint {
    return stateWord(CellState.live, 0, this.clientId);
  }

  /** The table generation that every running operation but `except` has seen at least. */
  oldestEpoch(except?: Operation): number {
    let oldest = this.table.generation;
    for (const operation of this.running()) {
      if (operation !== except) oldest = Math.min(oldest, operation.epoch);
    }
    return oldest;
  }

  /** From now on nobody here can tell what a verb at `address` did. */
  doubt(address: Address): void {
    this.held.delete(address);
    this.doubts.add(address);
    this.events.doubts += 1;
  }
}

/** What protocols are given: the session, and the operation that they belong to. */
export class Context {
  readonly session: Session;
  readonly operation: Operation;

  constructor(session: Session, operation: Operation) {
    this.session = session;
    this.operation = operation;
  }
}
