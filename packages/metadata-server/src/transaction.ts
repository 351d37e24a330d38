// One optimistic transaction: reads note the version that they saw, writes are collected, and both
// go to the store in one commit. Between the reads others may commit, so what was read need not fit
// together; therefore
// - nothing counts before a commit says that every version read still holds, errors included: an
//   error found in what was read is reported only after the same check;
// - a transaction that met a change starts anew, after a jittered pause, a bounded number of times
//   and within the call's deadline.

import { backoffMs, type Clock, isPdpmError, PdpmError, type Prng, sleep } from "@pdpm/base";
import {
  corruptRecord,
  decodeRecord,
  encodeRecord,
  type RecordKind,
  type RecordName,
} from "./record.ts";
import type { KeyedRecord, Range, StoreKey, TransactionalStore } from "./store.ts";

/** Tries of one transaction at most. */
export const attemptsMost = 64;
const backoff = { firstMs: 0.5, mostMs: 50 };

/** What a call of the service works with. */
export interface Call {
  readonly store: TransactionalStore;
  readonly clock: Clock;
  readonly prng: Prng;
  /** No commit is begun after it. */
  readonly deadlineAt: number;
  /** Records that one commit of a batch touches, about, at most. */
  readonly commitRecordsMost: number;
}

/** Reads, and writes to come. */
export class Transaction {
  readonly #store: TransactionalStore;
  /** The one that this one stands in, if any: what is not written here is read there. */
  readonly #outer: Transaction | undefined;
  readonly #expected = new Map<StoreKey, number>();
  readonly #values = new Map<StoreKey, unknown>();
  /** Of these the values are still to be encoded. */
  readonly #kinds = new Map<StoreKey, RecordKind<unknown>>();
  readonly #writes = new Map<StoreKey, Uint8Array | undefined>();

  constructor(store: TransactionalStore, outer?: Transaction) {
    this.#store = store;
    this.#outer = outer;
  }

  /** Records that the commit depends on. */
  get records(): number {
    return this.#expected.size;
  }

  /** The record's value, own writes included; the commit fails if it changes. */
  async get<T>(name: RecordName<T>): Promise<T | undefined> {
    if (this.#values.has(name.key)) return this.#values.get(name.key) as T | undefined;
    if (this.#outer !== undefined) return this.#outer.get(name);
    const record = await this.#store.get(name.key);
    this.#expected.set(name.key, record?.version ?? 0);
    const value = record === undefined ? undefined : decodeRecord(name, record.value);
    this.#values.set(name.key, value);
    return value;
  }

  /** The same for a record that is never missing. @throws PDPM_CORRUPT */
  async require<T>(name: RecordName<T>): Promise<T> {
    const value = await this.get(name);
    if (value === undefined) throw corruptRecord(name.key, "is missing");
    return value;
  }

  /** The record's value, without a claim that it stays so. */
  async peek<T>(name: RecordName<T>): Promise<T | undefined> {
    if (this.#values.has(name.key)) return this.#values.get(name.key) as T | undefined;
    if (this.#outer !== undefined) return this.#outer.peek(name);
    const record = await this.#store.get(name.key);
    return record === undefined ? undefined : decodeRecord(name, record.value);
  }

  /** Records as they stand in the store: own writes are not seen, and nothing is noted. */
  range(range: Range): Promise<readonly KeyedRecord[]> {
    return this.#store.range(range);
  }

  /** Writes a record; undefined deletes it. What it was must have been read, or must not matter. */
  put<T>(name: RecordName<T>, value: T | undefined): void {
    this.#values.set(name.key, value);
    this.#kinds.set(name.key, name.kind as RecordKind<unknown>);
  }

  /** Takes over the writes of a transaction that stood in this one: all, or none if it throws. */
  accept(inner: Transaction): void {
    inner.#encode();
    for (const [key, bytes] of inner.#writes) {
      this.#values.set(key, inner.#values.get(key));
      this.#writes.set(key, bytes);
    }
  }

  /** Whether everything read still holds. */
  isCurrent(): Promise<boolean> {
    if (this.#expected.size === 0) return Promise.resolve(true);
    return this.#store.commit(this.#expected, new Map());
  }

  /**
   * Applies the writes if everything read still holds. Without writes there is nothing to prove.
   */
  commit(): Promise<boolean> {
    this.#encode();
    if (this.#writes.size === 0) return Promise.resolve(true);
    return this.#store.commit(this.#expected, this.#writes);
  }

  /** Commits in any case: whether everything read holds, and the writes are applied. */
  prove(): Promise<boolean> {
    this.#encode();
    return this.#store.commit(this.#expected, this.#writes);
  }

  /** Late, for a value may change until then. */
  #encode(): void {
    for (const [key, kind] of this.#kinds) {
      const value = this.#values.get(key);
      this.#writes.set(key, value === undefined ? undefined : encodeRecord(kind, value));
    }
    this.#kinds.clear();
  }
}

/**
 * Runs `work` in a transaction until its commit holds; `attempt` counts from 0. A result without
 * writes is returned as it is: `work` must then rest on one record, or on what never changes back.
 * @param attemptsBefore - Tries that met a change already.
 * @throws what `work` throws, PDPM_BUSY after `attemptsMost` tries, PDPM_TIMEOUT past the deadline
 */
export async function transact<T>(
  call: Call,
  work: (transaction: Transaction, attempt: number) => Promise<T>,
  attemptsBefore = 0,
): Promise<T> {
  for (let attempt = attemptsBefore; attempt < attemptsMost; attempt += 1) {
    if (attempt > 0) await pause(call, attempt);
    requireTime(call);
    const transaction = new Transaction(call.store);
    let result: T;
    try {
      result = await work(transaction, attempt);
    } catch (error) {
      if (!isPdpmError(error)) throw error;
      // If the store cannot say so, its error is reported: this one is not proved.
      if (await transaction.isCurrent()) throw error;
      continue;
    }
    // The reads may have taken long; nobody waits for what is begun now.
    requireTime(call);
    if (await transaction.commit()) return result;
  }
  throw new PdpmError(
    "PDPM_BUSY",
    `the metadata changed under ${attemptsMost} tries of one transaction`,
  );
}

/** Waits before try number `attempt`, from 0. */
export function pause({ clock, prng }: Call, attempt: number): Promise<void> {
  return sleep(clock, backoffMs(prng, attempt, backoff));
}

function requireTime(call: Call): void {
  if (call.clock.now() >= call.deadlineAt) throw outOfTime();
}

/** The error for what was not begun before its deadline. */
export function outOfTime(): PdpmError {
  return new PdpmError("PDPM_TIMEOUT", "the metadata service did not finish in time");
}
