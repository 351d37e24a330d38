// What a client counts while it works: operations, failures, latencies by kind of operation. The
// tallies of several clients add up.

import type { PdpmError } from "@pdpm/base";
import { Latencies } from "./percentiles.ts";
import type { OperationName } from "./workload.ts";

/** Failures of one kind, and what the first one said. */
export interface FailureCount {
  count: number;
  readonly message: string;
}

/** A tally as it travels between processes. */
export interface TallyData {
  readonly operations: number;
  readonly conflicts: number;
  readonly missing: number;
  readonly mismatches: number;
  readonly failures: Readonly<Record<string, FailureCount>>;
  readonly service: Readonly<Record<string, string>>;
  readonly intended: Readonly<Record<string, string>>;
}

/** See the head of this file. */
export class Tally {
  /** Operations that ended well. */
  operations = 0;
  /** Tries of conditional writes that another client's write beat; each was tried again. */
  conflicts = 0;
  /** Reads of a record that must be there and was not. */
  missing = 0;
  /** Values whose bytes were not as their writer left them. */
  mismatches = 0;
  readonly failures: Map<string, FailureCount> = new Map();
  /** From posting to the answer. */
  readonly service: Map<string, Latencies> = new Map();
  /** From the time at which the operation should have begun, when a rate was asked for. */
  readonly intended: Map<string, Latencies> = new Map();

  /** Counts one operation that ended well. Times are milliseconds. */
  done(op: OperationName, serviceMs: number, intendedMs: number | undefined): void {
    this.operations += 1;
    latenciesOf(this.service, op).record(serviceMs * 1e6);
    if (intendedMs !== undefined) latenciesOf(this.intended, op).record(intendedMs * 1e6);
  }

  /** Counts one that failed. */
  failed({ code, message }: PdpmError): void {
    this.#failed(code, 1, message);
  }

  /** Everything that is not as it should be: failures, missing records, wrong bytes. */
  get errors(): number {
    let count = this.missing + this.mismatches;
    for (const failure of this.failures.values()) count += failure.count;
    return count;
  }

  /** Adds another one. */
  add(other: TallyData): void {
    this.operations += other.operations;
    this.conflicts += other.conflicts;
    this.missing += other.missing;
    this.mismatches += other.mismatches;
    for (const [code, { count, message }] of Object.entries(other.failures)) {
      this.#failed(code, count, message);
    }
    for (const kind of ["service", "intended"] as const) {
      for (const [op, encoded] of Object.entries(other[kind])) {
        latenciesOf(this[kind], op).add(Latencies.decode(encoded));
      }
    }
  }

  /** A copy that can travel. */
  data(): TallyData {
    const encoded = (all: ReadonlyMap<string, Latencies>): Record<string, string> =>
      Object.fromEntries([...all].map(([op, latencies]) => [op, latencies.encode()]));
    const { operations, conflicts, missing, mismatches } = this;
    return {
      operations,
      conflicts,
      missing,
      mismatches,
      failures: Object.fromEntries(this.failures),
      service: encoded(this.service),
      intended: encoded(this.intended),
    };
  }

  #failed(code: string, count: number, message: string): void {
    const known = this.failures.get(code);
    if (known === undefined) this.failures.set(code, { count, message });
    else known.count += count;
  }
}

function latenciesOf(all: Map<string, Latencies>, op: string): Latencies {
  let latencies = all.get(op);
  if (latencies === undefined) {
    latencies = new Latencies();
    all.set(op, latencies);
  }
  return latencies;
}
