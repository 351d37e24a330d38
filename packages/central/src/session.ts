// What the operations of one coordinator share: who it is, the mapping, the cells in hand, and what
// it still has to clean up. A coordinator that was deposed ends; the next one starts with an empty
// session, and learns everything from the metadata service and from memory.

import type { Prng } from "@pdpm/base";
import { type Key, SpaceTurns } from "@pdpm/kv";
import type { Address, Pointer } from "@pdpm/layout";
import { type ChunkMap, flush, type Operation, type Post } from "@pdpm/verbs";
import { CallSlots } from "./call-slots.ts";
import { CellPool } from "./cell-pool.ts";
import { ChunkTable } from "./chunk-table.ts";
import { EntryLocks } from "./entry-locks.ts";
import { Mapping } from "./mapping.ts";
import { StaleQueue } from "./stale-queue.ts";
import { SweepState } from "./sweep-state.ts";

/** What a session needs to know. */
export interface SessionOptions {
  /** Of the coordinator: its term is named by it. */
  readonly clientId: number;
  readonly chunks: ChunkMap;
  /** Chunks that the store may have over all nodes, the root chunk included. */
  readonly chunksMost: number;
  /** "power": acknowledged writes are flushed. "process": nothing is. */
  readonly durability: "power" | "process";
  /** Entries of the mapping that are kept in memory. */
  readonly mappingMost: number;
  readonly prng: Prng;
  /** There is something for housekeeping to do: clean, refill. */
  readonly wake: () => void;
  /** Everything of a dead client was taken back. */
  readonly buried: (id: number) => void;
}

/** Events that a coordinator counts. */
export class CentralEvents {
  mappingHits = 0;
  mappingMisses = 0;
  lockWaits = 0;
  refills = 0;
  cleaned = 0;
  abandoned = 0;
  forgotten = 0;
  recoveries = 0;
  relocated = 0;
  chunksCut = 0;
  chunksRecut = 0;
  doubts = 0;
}

/** A cell that was written and is not mapped, and whose head mark could not be wiped yet. */
export interface Unwiped {
  readonly pointer: Pointer;
  readonly sizeClass: number;
}

/** State of one coordinator. */
export class Session {
  readonly clientId: number;
  readonly isDurable: boolean;
  readonly chunksMost: number;
  readonly prng: Prng;
  readonly wake: () => void;
  readonly buried: (id: number) => void;
  readonly table: ChunkTable;
  readonly mapping: Mapping;
  readonly locks: EntryLocks;
  readonly pool: CellPool;
  readonly slots: CallSlots;
  readonly stale: StaleQueue;
  readonly events: CentralEvents = new CentralEvents();
  /** Keys whose mapping some protocol is about to change: one at a time. */
  readonly changing: Set<Key> = new Set<Key>();
  /** Written, not mapped, not wiped: a key's next write waits for its own (H23). */
  readonly unwiped: Map<Key, Unwiped[]> = new Map<Key, Unwiped[]>();
  /** Cells of which nobody here can tell whether they are mapped; never used again (H14). */
  readonly doubts: Set<Pointer> = new Set<Pointer>();
  /** No commit number above it is used before the mark on memory node 0 was raised (H23). */
  highWater = 0;
  readonly spaceTurns: SpaceTurns = new SpaceTurns();
  readonly sweep: SweepState = new SweepState();

  constructor(options: SessionOptions) {
    this.clientId = options.clientId;
    this.chunksMost = options.chunksMost;
    this.isDurable = options.durability === "power";
    this.prng = options.prng;
    this.wake = options.wake;
    this.buried = options.buried;
    this.table = new ChunkTable(options.chunks);
    this.mapping = new Mapping(options.mappingMost);
    this.locks = new EntryLocks();
    this.pool = new CellPool();
    this.slots = new CallSlots(options.clientId);
    this.stale = new StaleQueue();
  }

  /** The flush that a durable store needs here; nothing in a store that promises less. */
  flushes(address: Address, bytes: number): Post<void>[] {
    return this.isDurable ? [flush(address, bytes)] : [];
  }

  /** From now on nobody here can tell whether `pointer` was mapped. */
  doubt(pointer: Pointer): void {
    this.doubts.add(pointer);
    this.events.doubts += 1;
  }
}

/** What protocols are given: the session, and the operation that they belong to. */
export interface Context {
  readonly session: Session;
  readonly operation: Operation;
}
