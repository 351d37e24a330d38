// The smallest backend there can be: a Map in this process. It exists to test the contract suite
// and the store above it, and to show what a backend has to do when no memory is far away.
//
// Two ways to answer, because the store treats them differently: at once, as mapped memory does,
// and a turn of the event loop later, as a network does. In the second, a caller who leaves before
// its turn has come is told "not-applied", and the write never happens.

import { PdpmError, sleep, systemClock } from "@pdpm/base";
import {
  type Backend,
  type BackendCounters,
  type BackendStats,
  type Found,
  type Key,
  WriteBatch,
  WriteRequest,
} from "@pdpm/kv";
import { CounterTable, type Limits, Operation, throwIfAborted, Waits } from "@pdpm/verbs";

/** Keys per page of an iteration: few, so that suites see many pages. */
const pageKeys = 16;

/** What all clients of one store share. */
export class MapMemory {
  readonly found = new Map<Key, Found>();
  /** Numbers of deleted keys: new ones start above. */
  readonly floors = new Map<Key, number>();
  clients = 0;
}

/** One client of a `MapMemory`. */
export class MapBackend implements Backend {
  readonly design = "map";
  readonly supports = { orderedKeys: false, serverless: true };
  readonly #memory: MapMemory;
  readonly #isLate: boolean;
  readonly #clientId: number;
  readonly #counters = new CounterTable();
  readonly #waits = new Waits(systemClock);

  constructor(memory: MapMemory, isLate: boolean) {
    this.#memory = memory;
    this.#isLate = isLate;
    memory.clients += 1;
    this.#clientId = memory.clients;
  }

  get(key: Key, limits: Limits): Found | undefined | Promise<Found | undefined> {
    return this.#answer("get", limits, () => {
      const found = this.#memory.found.get(key);
      return found && { value: found.value.slice(), version: found.version };
    });
  }

  put(
    key: Key,
    value: Uint8Array,
    ifVersion: number | undefined,
    limits: Limits,
  ): number | Promise<number> {
    return this.#answer("put", limits, () => this.#write(key, value, ifVersion) as number);
  }

  delete(
    key: Key,
    ifVersion: number | undefined,
    limits: Limits,
  ): number | undefined | Promise<number | undefined> {
    return this.#answer("delete", limits, () => this.#write(key, undefined, ifVersion));
  }

  async *keys(limits: Limits): AsyncGenerator<readonly Key[], void, void> {
    const { found } = this.#memory;
    const atStart = [...found.keys()];
    for (let start = 0; start < atStart.length; start += pageKeys) {
      throwIfAborted(limits.signal);
      await sleep(systemClock, 0);
      yield atStart.slice(start, start + pageKeys).filter((key) => found.has(key));
    }
  }

  async stats(): Promise<BackendStats> {
    const { found } = this.#memory;
    const bytesLive = [...found.values()].reduce((sum, { value }) => sum + value.length, 0);
    return {
      design: this.design,
      clientId: this.#clientId,
      ...this.counters(),
      space: {
        chunkBytes: 0,
        chunks: 0,
        chunksMost: 0,
        cellsLive: found.size,
        cellsFree: 0,
        cellsUncommitted: 0,
        bytesLive,
      },
    };
  }

  counters(): BackendCounters {
    return { operations: this.#counters.snapshot(), events: {} };
  }

  async close(): Promise<void> {
    await sleep(systemClock, 0);
  }

  #answer<T>(kind: string, limits: Limits, apply: () => T): T | Promise<T> {
    throwIfAborted(limits.signal);
    this.#counters.kind(kind).operations += 1;
    if (!this.#isLate) return apply();
    let hasLeft = false;
    const late = sleep(systemClock, 0).then(() => {
      if (hasLeft) throw new PdpmError("PDPM_TIMEOUT", "nobody waits for this any more");
      return apply();
    });
    return this.#waits.until(late, limits, (why) => {
      hasLeft = true;
      return why;
    });
  }

  /** Conditions are evaluated where every backend has it done. */
  #write(key: Key, value: Uint8Array | undefined, ifVersion: number | undefined) {
    const { found, floors } = this.#memory;
    const request = new WriteRequest(value, ifVersion);
    const batch = new WriteBatch(
      new Operation(new CounterTable().kind("write"), { post: () => [] }),
      [request],
    );
    const present = found.get(key);
    const version = present?.version ?? floors.get(key) ?? 0;
    const decision = batch.decide(present !== undefined, version);
    if (decision.remove) {
      found.delete(key);
      floors.set(key, version);
    }
    if (decision.value !== undefined) {
      found.set(key, { value: decision.value.slice(), version: decision.commitNumber });
    }
    return batch.resultOf(request);
  }
}
