// The transactional store in memory: a sorted list of records. Deterministic; for tests, and for
// the simulator, which makes commits fail for no reason and kills the service at any of them.
//
// - A commit is one synchronous step, so it is applied as a whole or not at all.
// - Versions are numbers of commits, so none is used twice.

import { assert, PdpmError, type Prng } from "@pdpm/base";
import type {
  Expected,
  KeyedRecord,
  Range,
  StoreKey,
  StoreRecord,
  TransactionalStore,
  Writes,
} from "./store.ts";

/** What to do wrong. */
export interface MemoryStoreFaults {
  /** Makes commits fail as if another one had come first. */
  readonly conflicts?: { readonly prng: Prng; readonly chance: number };
  /** Called before a commit is looked at; when it throws or rejects, nothing is applied. */
  readonly beforeCommit?: (writes: Writes) => void | Promise<void>;
  /** Called after a commit was applied; when it throws or rejects, nobody learns of it. */
  readonly afterCommit?: (writes: Writes) => void | Promise<void>;
}

/** A store that lasts as long as the process. */
export class MemoryStore implements TransactionalStore {
  readonly #faults: MemoryStoreFaults;
  readonly #records = new Map<StoreKey, StoreRecord>();
  /** The keys of #records, ascending. */
  readonly #keys: StoreKey[] = [];
  #commits = 0;
  #isClosed = false;

  constructor(faults: MemoryStoreFaults = {}) {
    this.#faults = faults;
  }

  async get(key: StoreKey): Promise<StoreRecord | undefined> {
    this.#check();
    const record = this.#records.get(key);
    return record && { value: record.value.slice(), version: record.version };
  }

  async range({ start, end, limit, reverse = false }: Range): Promise<readonly KeyedRecord[]> {
    this.#check();
    const first = this.#indexOf(start);
    const last = Math.max(first, this.#indexOf(end));
    const keys = reverse
      ? this.#keys.slice(Math.max(first, last - limit), last).reverse()
      : this.#keys.slice(first, Math.min(last, first + limit));
    return keys.map((key) => {
      const { value, version } = this.#records.get(key) as StoreRecord;
      return { key, value: value.slice(), version };
    });
  }

  async commit(expected: Expected, writes: Writes): Promise<boolean> {
    this.#check();
    await this.#faults.beforeCommit?.(writes);
    const { conflicts } = this.#faults;
    if (conflicts?.prng.chance(conflicts.chance)) return false;
    if (!this.#apply(expected, writes)) return false;
    await this.#faults.afterCommit?.(writes);
    return true;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
  }

  #check(): void {
    if (this.#isClosed) throw new PdpmError("PDPM_CLOSED", "the metadata store was closed");
  }

  #apply(expected: Expected, writes: Writes): boolean {
    for (const [key, version] of expected) {
      if ((this.#records.get(key)?.version ?? 0) !== version) return false;
    }
    this.#commits += 1;
    for (const [key, value] of writes) {
      if (value === undefined) this.#delete(key);
      else this.#set(key, { value: value.slice(), version: this.#commits });
    }
    assert(this.#keys.length === this.#records.size, "the list of keys does not fit the records");
    return true;
  }

  #set(key: StoreKey, record: StoreRecord): void {
    if (!this.#records.has(key)) this.#keys.splice(this.#indexOf(key), 0, key);
    this.#records.set(key, record);
  }

  #delete(key: StoreKey): void {
    if (this.#records.delete(key)) this.#keys.splice(this.#indexOf(key), 1);
  }

  /** Index of the first key that is not below `key`. */
  #indexOf(key: StoreKey): number {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#keys[middle] as StoreKey) < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
