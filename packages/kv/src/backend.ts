// What a backend has to do: five operations on one key, an iteration, and its own book-keeping.
// Everything else that a store offers is built on these in store.ts, once for all designs.

import type { Limits, OperationCounters } from "@pdpm/verbs";
import type { Key } from "./key.ts";

/**
 * A value and its commit number. Made by its constructor where speed counts: what an object literal
 * makes V8 allocates among the old objects once a bulk load let many of its kind grow old, and then
 * every get leaves garbage that only a full collection finds (8 % of a mapped get).
 */
export class Found {
  /** Private to the caller; 8-byte aligned in its buffer. */
  readonly value: Uint8Array;
  /** Commit number: per key it only grows, also across delete and re-create. */
  readonly version: number;

  constructor(value: Uint8Array, version: number) {
    this.value = value;
    this.version = version;
  }
}

/** What a backend can and cannot do, so that the contract suite and users need not guess. */
export interface Supports {
  /** Keys come in byte order. */
  readonly orderedKeys: boolean;
  /** The values stay readable while a metadata server is down. */
  readonly serverless: boolean;
}

/**
 * What a client counted since it was opened. Costs nothing to ask, and can be asked after close.
 */
export interface BackendCounters {
  /** Costs by kind of operation, housekeeping included. */
  readonly operations: Readonly<Record<string, OperationCounters>>;
  /** Events by name: lockWaits, tornReads, recoveries, cursorHits, ... */
  readonly events: Readonly<Record<string, number>>;
}

/** Figures of a store; counts since this client opened it, space of the whole store. */
export interface BackendStats extends BackendCounters {
  readonly design: string;
  readonly clientId: number;
  readonly space: SpaceStats;
}

/** Space of the whole store, in bytes and cells. */
export interface SpaceStats {
  readonly chunkBytes: number;
  readonly chunks: number;
  readonly chunksMost: number;
  readonly cellsLive: number;
  readonly cellsFree: number;
  /** Claimed by a client and not yet reachable. */
  readonly cellsUncommitted: number;
  /** Bytes of the cells in use, both copies and headers included. */
  readonly bytesLive: number;
}

/** One of the designs. */
export interface Backend {
  readonly design: string;
  readonly supports: Supports;
  /** The value now, or undefined. Ready at once when memory is mapped. */
  get(key: Key, limits: Limits): Found | undefined | Promise<Found | undefined>;
  /**
   * Writes `value` and returns its commit number. `ifVersion` 0: the key must not exist; n: its
   * commit number must be n. @throws PDPM_CONFLICT, PDPM_NO_SPACE, and what every operation throws.
   */
  put(
    key: Key,
    value: Uint8Array,
    ifVersion: number | undefined,
    limits: Limits,
  ): number | Promise<number>;
  /**
   * Deletes and returns the commit number of what was deleted, or undefined if there was nothing.
   */
  delete(
    key: Key,
    ifVersion: number | undefined,
    limits: Limits,
  ): number | undefined | Promise<number | undefined>;
  /** Pages of keys, each key that is present throughout exactly once. */
  keys(limits: Limits): AsyncIterable<readonly Key[]>;
  stats(): Promise<BackendStats>;
  counters(): BackendCounters;
  /** Settles what is running, gives everything back, lets go of every resource. */
  close(timeoutMs: number): Promise<void>;
}
