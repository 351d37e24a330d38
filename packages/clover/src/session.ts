// What the operations of one Clover client share: who it is, its caches, its buffers in hand, and
// what it still has to report. A client that was fenced comes back with a fresh session: a new id,
// no cursors, no buffers (H6).

import type { Prng } from "@pdpm/base";
import { type Key, SpaceTurns } from "@pdpm/kv";
import type { Address, Pointer } from "@pdpm/layout";
import { type ChunkMap, flush, type Operation, type Post } from "@pdpm/verbs";
import { BufferPool } from "./buffer-pool.ts";
import { CallSlots } from "./call-slots.ts";
import { ChunkTable } from "./chunk-table.ts";
import { CursorCache } from "./cursor-cache.ts";
import { RetireQueue } from "./retire-queue.ts";
import { Shortcuts } from "./shortcuts.ts";

/** What a session needs to know. */
export interface SessionOptions {
  readonly clientId: number;
  readonly chunks: ChunkMap;
  /** Chunks that the store may have over all nodes, the root chunk included. */
  readonly chunksMost: number;
  /** "power": acknowledged writes are flushed. "process": nothing is. */
  readonly durability: "power" | "process";
  readonly cursorsMost: number;
  /** @defaultValue "fifo" */
  readonly eviction?: "fifo" | "lru" | undefined;
  readonly prng: Prng;
  /** The operations that are running, for acknowledging changes of the chunk table. */
  readonly running: () => Iterable<Operation>;
  /** There is something for housekeeping to do: retire, refill, settle. */
  readonly wake: () => void;
}

/** Events that a client counts. */
export class CloverEvents {
  cursorHits = 0;
  cursorMisses = 0;
  /** Cursors that led to a buffer of another life, or to an older version. */
  cursorsStale = 0;
  /** Versions passed on the way to the latest one, and the longest such way. */
  chainHops = 0;
  longestWalk = 0;
  casLosses = 0;
  shortcutHits = 0;
  linksSettled = 0;
  retired = 0;
  forgotten = 0;
  refills = 0;
  recoveries = 0;
  relocated = 0;
  chunksCut = 0;
  doubts = 0;
}

/** A buffer that a lost reply may have left linked under its key, or not (H14). */
export interface Doubt {
  readonly key: Key;
  readonly pointer: Pointer;
  readonly sizeClass: number;
}

/** State of one client under one id. */
export class Session {
  readonly clientId: number;
  readonly isDurable: boolean;
  readonly chunksMost: number;
  readonly prng: Prng;
  readonly running: () => Iterable<Operation>;
  readonly wake: () => void;
  readonly table: ChunkTable;
  readonly cursors: CursorCache;
  readonly pool: BufferPool;
  readonly slots: CallSlots;
  readonly retiring: RetireQueue;
  readonly shortcuts: Shortcuts;
  readonly events: CloverEvents = new CloverEvents();
  /** Buffers in doubt, by pointer: never written again by this client until settled. */
  readonly doubts: Map<Pointer, Doubt> = new Map<Pointer, Doubt>();
  /** The table generation that the service knows this client to have seen. */
  acknowledged = 0;
  /** The pressure of the chunk table that this client has answered. */
  pressureAnswered = 0;
  /** Which operation of this client makes space. */
  readonly spaceTurns: SpaceTurns = new SpaceTurns();
  /** No commit number above it is used before the mark on memory node 0 was raised (H23). */
  highWater = 0;

  constructor(options: SessionOptions) {
    this.clientId = options.clientId;
    this.chunksMost = options.chunksMost;
    this.isDurable = options.durability === "power";
    this.prng = options.prng;
    this.running = options.running;
    this.wake = options.wake;
    this.table = new ChunkTable(options.chunks);
    this.cursors = new CursorCache(options.cursorsMost, { eviction: options.eviction ?? "fifo" });
    this.pool = new BufferPool();
    this.slots = new CallSlots(options.clientId);
    this.retiring = new RetireQueue(options.chunksMost * options.chunks.chunkBytes);
    this.shortcuts = new Shortcuts(options.chunks.chunkBytes);
  }

  /** The flush that a durable store needs here; nothing in a store that promises less. */
  flushes(address: Address, bytes: number): Post<void>[] {
    return this.isDurable ? [flush(address, bytes)] : [];
  }

  /** From now on nobody here can tell whether `pointer` was linked under `key`. */
  doubt(key: Key, pointer: Pointer, sizeClass: number): void {
    this.doubts.set(pointer, { key, pointer, sizeClass });
    this.events.doubts += 1;
  }

  /** The table generation that every running operation but `except` has seen at least. */
  oldestEpoch(except?: Operation): number {
    let oldest = this.table.generation;
    for (const operation of this.running()) {
      if (operation !== except) oldest = Math.min(oldest, operation.epoch);
    }
    return oldest;
  }
}

/** What protocols are given: the session, and the operation that they belong to. */
export interface Context {
  readonly session: Session;
  readonly operation: Operation;
}
