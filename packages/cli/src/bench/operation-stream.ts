// The operations of one client of n, in order, from a seed alone: the same seed gives the same keys
// against every design and transport. Nothing here waits for an answer.
//
// Record numbers: 0 to recordCount - 1 are loaded before the run. Client i inserts recordCount + i,
// recordCount + i + n, ..., so two clients never insert the same one; and it reads only the loaded
// records and its own, the only ones that it knows to exist.

import { assert, type Prng } from "@pdpm/base";
import { createChooser, type RecordChooser } from "./choosers.ts";
import { recordKey } from "./scramble.ts";
import {
  batchCountDefault,
  type OperationName,
  scanCountMaxDefault,
  thetaDefault,
  type Workload,
} from "./workload.ts";

/** One thing to do. */
export type WorkloadOperation =
  | {
      readonly op: "read" | "update" | "insert" | "rmw";
      readonly recordNumber: number;
      readonly key: string;
    }
  | {
      readonly op: "scan";
      readonly recordNumber: number;
      /** The first key of the range. */
      readonly key: string;
      readonly count: number;
    }
  | {
      /** A put under `key`, the ring's place for trajectory `id`. */
      readonly op: "append";
      readonly id: number;
      readonly recordNumber: number;
      readonly key: string;
    }
  | {
      readonly op: "batch";
      readonly recordNumbers: readonly number[];
      readonly keys: readonly string[];
    };

/** Who the client is and how large the store is. */
export interface OperationStreamOptions {
  /** Index of this client, from 0 to `clientCount` - 1. */
  readonly client: number;
  readonly clientCount: number;
  /** Records loaded before the run, at least 1; for `replay` the size of the ring. */
  readonly recordCount: number;
  /** @defaultValue 0.99 */
  readonly theta?: number;
  /** @defaultValue 100 */
  readonly scanCountMax?: number;
  /** @defaultValue 32 */
  readonly batchCount?: number;
  /**
   * How many of its newest inserts the client does not read yet: as many as it keeps in flight.
   * @defaultValue 0
   */
  readonly unsettledCount?: number;
}

/** The record numbers that client `client` of `clientCount` loads before the run. */
export function* loadRecordNumbers(
  client: number,
  clientCount: number,
  recordCount: number,
): Generator<number, void> {
  for (let record = client; record < recordCount; record += clientCount) yield record;
}

/** The names of a mix with the sums of their shares up to each. */
function sumUp(workload: Workload): (readonly [OperationName, number])[] {
  let sum = 0;
  const shares = Object.entries(workload.mix) as [OperationName, number][];
  const sums = shares.map(([name, share]) => {
    sum += share;
    return [name, sum] as const;
  });
  assert(Math.abs(sum - 1) < 1e-9, `the shares of ${workload.name} add up to 1, not ${sum}`);
  return sums;
}

/** An endless stream of operations. */
export class OperationStream {
  readonly #prng: Prng;
  readonly #options: Required<OperationStreamOptions>;
  readonly #shares: readonly (readonly [OperationName, number])[];
  readonly #chooser: RecordChooser;
  #insertCount = 0;
  #appendCount = 0;

  constructor(prng: Prng, workload: Workload, options: OperationStreamOptions) {
    const { client, clientCount, recordCount } = options;
    assert(client >= 0 && client < clientCount, `client ${client} is one of ${clientCount}`);
    assert(recordCount >= 1, `there is a record to start with, not ${recordCount}`);
    this.#prng = prng.fork("operations");
    this.#options = {
      theta: thetaDefault,
      scanCountMax: scanCountMaxDefault,
      batchCount: batchCountDefault,
      unsettledCount: 0,
      ...options,
    };
    this.#shares = sumUp(workload);
    const { distribution } = workload;
    const { theta } = this.#options;
    this.#chooser = createChooser(prng.fork("records"), distribution, recordCount, theta);
  }

  /** The next operation. */
  next(): WorkloadOperation {
    const op = this.#chooseName();
    if (op === "append") return this.#append();
    if (op === "batch") return this.#batch();
    const recordNumber = op === "insert" ? this.#insert() : this.#choose();
    const key = recordKey(recordNumber);
    if (op !== "scan") return { op, recordNumber, key };
    return { op, recordNumber, key, count: 1 + this.#prng.below(this.#options.scanCountMax) };
  }

  #chooseName(): OperationName {
    const drawn = this.#prng.float();
    for (const [name, sum] of this.#shares) if (drawn < sum) return name;
    // The sums may stop just below 1.
    const last = this.#shares.at(-1);
    assert(last !== undefined, "a mix is not empty");
    return last[0];
  }

  /** A record number that is known to exist. */
  #choose(): number {
    const { recordCount, client, clientCount, unsettledCount } = this.#options;
    const settled = Math.max(0, this.#insertCount - unsettledCount);
    const index = this.#chooser.next(recordCount + settled);
    return index < recordCount ? index : recordCount + client + (index - recordCount) * clientCount;
  }

  #insert(): number {
    const { recordCount, client, clientCount } = this.#options;
    const recordNumber = recordCount + client + this.#insertCount * clientCount;
    this.#insertCount += 1;
    return recordNumber;
  }

  #append(): WorkloadOperation {
    const { recordCount, client, clientCount } = this.#options;
    // The load fills the ring with the ids below recordCount, so it is full from the start.
    const id = recordCount + client + this.#appendCount * clientCount;
    this.#appendCount += 1;
    const recordNumber = id % recordCount;
    return { op: "append", id, recordNumber, key: recordKey(recordNumber) };
  }

  #batch(): WorkloadOperation {
    const { recordCount, batchCount } = this.#options;
    const recordNumbers = Array.from({ length: batchCount }, () => this.#chooser.next(recordCount));
    return { op: "batch", recordNumbers, keys: recordNumbers.map(recordKey) };
  }
}
