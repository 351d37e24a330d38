// Sums and differences of what clients count, and what a report makes of them.

import type { BackendCounters } from "@pdpm/kv";

/** Counts of one kind of operation, by name. */
export type Counts = Readonly<Record<string, number>>;

/** The kinds of operation that a workload asks for; all others are the client's housekeeping. */
const asked: ReadonlySet<string> = new Set(["get", "put", "delete"]);

type Combine = (a: number, b: number) => number;

function combineCounts(a: object, b: object, combine: Combine): Record<string, number> {
  const from = a as Counts;
  const to = b as Counts;
  const names = new Set([...Object.keys(from), ...Object.keys(to)]);
  return Object.fromEntries(
    [...names].map((name) => [name, combine(from[name] ?? 0, to[name] ?? 0)]),
  );
}

function combine(a: BackendCounters, b: BackendCounters, how: Combine): BackendCounters {
  const kinds = new Set([...Object.keys(a.operations), ...Object.keys(b.operations)]);
  const operations = [...kinds].map((kind) => {
    const counts = combineCounts(a.operations[kind] ?? {}, b.operations[kind] ?? {}, how);
    return [kind, counts];
  });
  return {
    operations: Object.fromEntries(operations) as BackendCounters["operations"],
    events: combineCounts(a.events, b.events, how),
  };
}

/** What was counted between two moments. */
export function since(before: BackendCounters, after: BackendCounters): BackendCounters {
  return combine(before, after, (a, b) => b - a);
}

/** What several clients counted together. */
export function sumOf(all: readonly BackendCounters[]): BackendCounters {
  const nothing: BackendCounters = { operations: {}, events: {} };
  return all.reduce((sum, each) => combine(sum, each, (a, b) => a + b), nothing);
}

/** Verbs, by kind and together. */
export interface VerbTotals {
  readonly total: number;
  readonly reads: number;
  readonly writes: number;
  readonly swaps: number;
  readonly flushes: number;
}

/** The verbs in counts of any origin; control calls are none. */
export function verbsIn(all: readonly object[]): VerbTotals {
  const sum = { reads: 0, writes: 0, swaps: 0, flushes: 0 };
  for (const counts of all as readonly Counts[]) {
    for (const name of Object.keys(sum) as (keyof typeof sum)[]) sum[name] += counts[name] ?? 0;
  }
  return { total: sum.reads + sum.writes + sum.swaps + sum.flushes, ...sum };
}

/** What one operation cost on the data path. */
export interface OperationCost {
  readonly operations: number;
  readonly roundTripsPerOperation: number;
  /** Payload bytes of reads and writes. */
  readonly bytesPerOperation: number;
}

/** The cost of each kind of operation that the workload asked for, and of all of them together. */
export function costsOf({ operations }: BackendCounters): {
  readonly all: OperationCost;
  readonly byKind: Readonly<Record<string, OperationCost>>;
} {
  const kinds = Object.entries(operations).filter(([kind]) => asked.has(kind));
  const byKind = kinds.flatMap(([kind, counts]) =>
    counts.operations === 0 ? [] : [[kind, costOf([counts])] as const],
  );
  return { all: costOf(kinds.map(([, counts]) => counts)), byKind: Object.fromEntries(byKind) };
}

function costOf(all: readonly object[]): OperationCost {
  const sum = all.reduce((a, b) => combineCounts(a, b, (x, y) => x + y), {}) as Counts;
  const { operations = 0, roundTrips = 0, bytesRead = 0, bytesWritten = 0 } = sum;
  const per = (count: number): number => (operations === 0 ? 0 : count / operations);
  return {
    operations,
    roundTripsPerOperation: per(roundTrips),
    bytesPerOperation: per(bytesRead + bytesWritten),
  };
}
