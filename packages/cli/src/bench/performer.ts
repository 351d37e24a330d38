// Performs the operations of a workload on a store: makes the values, verifies every byte that it
// reads, takes the times, and records what happened.
//
// What must hold:
// - Service time is from the call of the store to its answer; making and verifying values and
//   writing the history are outside of it.
// - With a history, nothing is posted before its begin is written (history-log.ts).

import { type Clock, isPdpmError, type PdpmError } from "@pdpm/base";
import type { OperationOutcome } from "@pdpm/checker";
import type { Store } from "pdpm";
import type { Beginning, HistoryLog } from "./history-log.ts";
import type { LastWrites } from "./last-writes.ts";
import type { WorkloadOperation } from "./operation-stream.ts";
import type { Tally } from "./tally.ts";
import { formatIdentity, makeValue, readValue } from "./values.ts";

/** Tries of one read-modify-write at most. */
const triesMost = 100;

/** What a performer works with. */
export interface PerformerParts {
  readonly clock: Clock;
  readonly client: number;
  readonly valueBytes: number;
  readonly store: Store;
  readonly lastWrites: LastWrites;
  readonly history: HistoryLog | undefined;
}

/** See the head of this file. */
export class Performer {
  readonly #parts: PerformerParts;

  constructor(parts: PerformerParts) {
    this.#parts = parts;
  }

  /**
   * Performs one operation and counts it; a failure is counted, too.
   * @param intendedMs - When it should have begun, if it has a time of its own.
   * @returns whether it ended well.
   */
  async perform(operation: WorkloadOperation, tally: Tally, intendedMs?: number): Promise<boolean> {
    try {
      const serviceMs = await this.#perform(operation, tally);
      const late = intendedMs === undefined ? undefined : this.#parts.clock.now() - intendedMs;
      tally.done(operation.op, serviceMs, late === undefined ? undefined : Math.max(late, 0));
      return true;
    } catch (error) {
      if (!isPdpmError(error)) throw error; // A defect of ours.
      tally.failed(error);
      return false;
    }
  }

  /** @returns milliseconds in the store */
  #perform(operation: WorkloadOperation, tally: Tally): Promise<number> {
    switch (operation.op) {
      case "read":
        return this.#read(operation.key, tally);
      case "rmw":
        return this.#readModifyWrite(operation.recordNumber, operation.key, tally);
      case "batch":
        return this.#batch(operation.keys, tally);
      case "scan":
        throw new Error("a scan was asked of a store without ordered keys");
      default:
        return this.#write(operation.recordNumber, operation.key);
    }
  }

  async #read(key: string, tally: Tally): Promise<number> {
    const { clock, store, history } = this.#parts;
    const begun = history === undefined ? undefined : await this.#begin({ ...get, key });
    const startMs = clock.now();
    try {
      const entry = await store.getEntry(key);
      const serviceMs = clock.now() - startMs;
      const value = this.#verify(entry?.value, tally);
      if (begun !== undefined) {
        history?.end(begun, { value, version: entry?.version ?? null, outcome: "ok" });
      }
      return serviceMs;
    } catch (error) {
      throw this.#noted(begun, error);
    }
  }

  async #write(recordNumber: number, key: string, ifVersion?: number): Promise<number> {
    const { clock, client, store, lastWrites, valueBytes } = this.#parts;
    const sequence = lastWrites.nextSequence();
    const value = makeValue(client, sequence, valueBytes);
    const begun =
      this.#parts.history === undefined
        ? undefined
        : await this.#begin({
            op: ifVersion === undefined ? "put" : "cas",
            key,
            ifVersion: ifVersion ?? null,
            value: formatIdentity({ client, sequence }),
          });
    const startMs = clock.now();
    try {
      const { version } = await store.put(
        key,
        value,
        ifVersion === undefined ? undefined : { ifVersion },
      );
      const serviceMs = clock.now() - startMs;
      lastWrites.written(recordNumber, version, sequence);
      if (begun !== undefined) this.#parts.history?.end(begun, { version, outcome: "ok" });
      return serviceMs;
    } catch (error) {
      if (isPdpmError(error) && error.outcome === "unknown") lastWrites.doubted(recordNumber);
      throw this.#noted(begun, error);
    }
  }

  /** Reads, and writes on condition that nobody wrote in between; else once more. */
  async #readModifyWrite(recordNumber: number, key: string, tally: Tally): Promise<number> {
    let serviceMs = 0;
    for (let tries = 1; ; tries += 1) {
      const { clock, store, history } = this.#parts;
      const begun = history === undefined ? undefined : await this.#begin({ ...get, key });
      const startMs = clock.now();
      let version = 0;
      try {
        const entry = await store.getEntry(key);
        serviceMs += clock.now() - startMs;
        version = entry?.version ?? 0;
        const value = this.#verify(entry?.value, tally);
        const found = entry?.version ?? null;
        if (begun !== undefined) history?.end(begun, { value, version: found, outcome: "ok" });
      } catch (error) {
        throw this.#noted(begun, error);
      }
      try {
        return serviceMs + (await this.#write(recordNumber, key, version));
      } catch (error) {
        const isBeaten = isPdpmError(error) && error.code === "PDPM_CONFLICT";
        if (!isBeaten || tries === triesMost) throw error;
        tally.conflicts += 1;
      }
    }
  }

  async #batch(keys: readonly string[], tally: Tally): Promise<number> {
    const { clock, store, history } = this.#parts;
    const begun = history === undefined ? [] : keys.map((key) => history.begin({ ...get, key }));
    if (history !== undefined) await history.written();
    const startMs = clock.now();
    try {
      const values = await store.getMany(keys);
      const serviceMs = clock.now() - startMs;
      for (const [index, found] of values.entries()) {
        const value = this.#verify(found, tally);
        const id = begun[index];
        if (id !== undefined) history?.end(id, { value, version: null, outcome: "ok" });
      }
      return serviceMs;
    } catch (error) {
      for (const id of begun) this.#noted(id, error);
      throw error;
    }
  }

  /** Checks every byte of what was read. @returns what the history says of it */
  #verify(value: Uint8Array | undefined, tally: Tally): string | null {
    if (value === undefined) {
      tally.missing += 1;
      return null;
    }
    const identity = readValue(value);
    if (identity !== null && value.length === this.#parts.valueBytes) {
      return this.#parts.history === undefined ? "" : formatIdentity(identity);
    }
    tally.mismatches += 1;
    // Nobody wrote that: the history fails its check, as it should.
    return "corrupt";
  }

  async #begin(beginning: Beginning): Promise<number> {
    const history = this.#parts.history as HistoryLog;
    const id = history.begin(beginning);
    await history.written();
    return id;
  }

  /** Notes in the history that an operation failed. */
  #noted(begun: number | undefined, error: unknown): unknown {
    if (begun !== undefined && isPdpmError(error)) {
      this.#parts.history?.end(begun, { version: null, outcome: outcomeOf(error) });
    }
    return error;
  }
}

const get: Omit<Beginning, "key"> = { op: "get", ifVersion: null, value: null };

function outcomeOf({ code, outcome }: PdpmError): OperationOutcome {
  if (outcome === "unknown") return "unknown";
  return code === "PDPM_CONFLICT" ? "conflict" : "not-applied";
}
