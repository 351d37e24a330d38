// What the metadata service keeps its state in: an ordered set of records, changed by optimistic
// commits. Implementations: LMDB (embedded, and behind the metadata server), in memory
// (simulation).
//
// What must hold for every implementation:
// - A commit is applied as a whole or not at all, and is durable (as the store promises) before it
//   resolves to true. Nobody sees a part of it, and nobody sees it before it is durable.
// - It is applied only if every expected record still has the version that was read (0: absent).
// - A record's version is never used twice, also across delete and re-create, by any process.
// - A read sees every commit that was acknowledged, to anybody on the host, before it was asked.
// - No transaction is open while JavaScript runs.

/** A record's key: one character per byte ("latin1"), at most 1,100; ordered by byte. */
export type StoreKey = string;

/** A record as it was read. */
export interface StoreRecord {
  readonly value: Uint8Array;
  /** Greater than 0; names this very write of the record. */
  readonly version: number;
}

/** A record with its key. */
export interface KeyedRecord extends StoreRecord {
  readonly key: StoreKey;
}

/** What a range read wants: keys from `start`, inclusive, to `end`, exclusive. */
export interface Range {
  readonly start: StoreKey;
  readonly end: StoreKey;
  readonly limit: number;
  /** From the end backwards. @defaultValue false */
  readonly reverse?: boolean;
}

/** Versions that must still hold; 0 means that the record must not exist. */
export type Expected = ReadonlyMap<StoreKey, number>;
/** Records to write; undefined deletes. */
export type Writes = ReadonlyMap<StoreKey, Uint8Array | undefined>;

/** What is there at once, or comes later. */
export type Soon<T> = T | Promise<T>;

/** Goes on with a value, at once if it is there. */
export function soon<T, U>(value: Soon<T>, next: (value: T) => U): Soon<U> {
  return value instanceof Promise ? value.then(next) : next(value);
}

/**
 * The store. Methods reject with PdpmError: PDPM_NO_SPACE, PDPM_UNAVAILABLE, PDPM_CORRUPT,
 * PDPM_POISONED; a commit's then says whether it was certainly not applied.
 */
export interface TransactionalStore {
  get(key: StoreKey): Soon<StoreRecord | undefined>;
  range(range: Range): Promise<readonly KeyedRecord[]>;
  /** False when an expected version no longer held; then nothing was changed. */
  commit(expected: Expected, writes: Writes): Promise<boolean>;
  /** Lets go of it. Later calls reject with PDPM_CLOSED. */
  close(): Promise<void>;
}
