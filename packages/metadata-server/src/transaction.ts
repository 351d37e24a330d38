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
import {
  type KeyedRecord,
  type Range,
  type Soon,
  type StoreKey,
  type StoreRecord,
  soon,
  type TransactionalStore,
  type Writes,
} from "./store.ts";

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
  /** A commit of a batch takes on no more when it depends on so many records. */
  readonly commitRecordsMost: number;
}

/** What a transaction knows of a record: as it was read, or is to be written. */
interface Known {
  readonly value: unknown;
  readonly isWritten: boolean;
  /** How the value is encoded, while that is still to be done. */
  kind: RecordKind<unknown> | undefined;
  /** The encoded value; undefined also for a record that is deleted. */
  bytes: Uint8Array | undefined;
}

/** Reads, and writes to come. */
export class Transaction {
  readonly #store: TransactionalStore;
  /** The one that this one stands in, if any: what is not written here is read there. */
  readonly #outer: Transaction | undefined;
  readonly #expected: Map<StoreKey, number>;
  readonly #known = new Map<StoreKey, Known>();

  constructor(store: TransactionalStore, outer?: Transaction) {
    this.#store = store;
    this.#outer = outer;
    this.#expected = outer === undefined ? new Map() : outer.#expected;
  }

  /** Records that the commit depends on. */
  get records(): number {
    return this.#expected.size;
  }

  /** The record's value, own writes included; the commit fails if it changes. */
  get<T>(name: RecordName<T>): Soon<T | undefined> {
    const known = this.#known.get(name.key);
    if (known !== undefined) return known.value as T | undefined;
    if (this.#outer !== undefined) return this.#outer.get(name);
    return soon(this.#store.get(name.key), (record) => this.#note(name, record));
  }

  #note<T>(name: RecordName<T>, record: StoreRecord | undefined): T | undefined {
    this.#expected.set(name.key, record?.version ?? 0);
    const value = valueIn(name, record);
    this.#known.set(name.key, { value, isWritten: false, kind: undefined, bytes: undefined });
    return value;
  }

  /** The same for a record that is never missing. @throws PDPM_CORRUPT */
  require<T>(name: RecordName<T>): Soon<T> {
    return soon<T | undefined, T>(this.get(name), (value) => {
      if (value === undefined) throw corruptRecord(name.key, "is missing");
      return value;
    });
  }

  /** The record's value, without a claim that it stays so. */
  peek<T>(name: RecordName<T>): Soon<T | undefined> {
    const known = this.#known.get(name.key);
    if (known !== undefined) return known.value as T | undefined;
    if (this.#outer !== undefined) return this.#outer.peek(name);
    return soon(this.#store.get(name.key), (record) => valueIn(name, record));
  }

  /** Records as they stand in the store: own writes are not seen, and nothing is noted. */
  range(range: Range): Promise<readonly KeyedRecord[]> {
    return this.#store.range(range);
  }

  /** Writes a record; undefined deletes it. What it was must have been read, or must not matter. */
  put<T>(name: RecordName<T>, value: T | undefined): void {
    const kind = name.kind as RecordKind<unknown>;
    this.#known.set(name.key, { value, isWritten: true, kind, bytes: undefined });
  }

  /** Takes over the writes of a transaction that stood in this one: all, or none if it throws. */
  accept(inner: Transaction): void {
    inner.#encode();
    inner.#known.forEach((known, key) => {
      this.#known.set(key, known);
    });
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
    const writes = this.#writes();
    return writes.size === 0 ? Promise.resolve(true) : this.#store.commit(this.#expected, writes);
  }

  /** The same, but in any case: true says that everything read still holds. */
  prove(): Promise<boolean> {
    return this.#store.commit(this.#expected, this.#writes());
  }

  #writes(): Writes {
    this.#encode();
    const writes = new Map<StoreKey, Uint8Array | undefined>();
    this.#known.forEach(({ isWritten, bytes }, key) => {
      if (isWritten) writes.set(key, bytes);
    });
    return writes;
  }

  /** Late, for a value may change until then. */
  #encode(): void {
    for (const known of this.#known.values()) {
      const { kind, value } = known;
      if (kind === undefined || value === undefined) continue;
      known.bytes = encodeRecord(kind, value);
      known.kind = undefined;
    }
  }
}

function valueIn<T>(name: RecordName<T>, record: StoreRecord | undefined): T | undefined {
  return record === undefined ? undefined : decodeRecord(name, record.value);
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
