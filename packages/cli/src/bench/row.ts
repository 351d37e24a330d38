// One result: a workload against a design over a transport. The same shape for `bench` and
// `compare`.

import type { BackendCounters, SpaceStats } from "@pdpm/kv";
import { OperationCounters } from "@pdpm/verbs";
import type { ClusterStats } from "../cluster.ts";
import { exitCodes } from "../verb.ts";
import type { Distribution } from "./choosers.ts";
import { costsOf, type OperationCost, since, sumOf, type VerbTotals, verbsIn } from "./counters.ts";
import type { DeadClient } from "./fleet.ts";
import type { LatencySummary } from "./percentiles.ts";
import type { WorkReport } from "./steps.ts";
import { type FailureCount, Tally } from "./tally.ts";
import type { WorkloadName } from "./workload.ts";

/** How a row was asked for. */
export interface RowSettings {
  readonly design: string;
  readonly workload: WorkloadName;
  /** "mapped" or "ws"; "auto" when the library chose. */
  readonly transport: string;
  readonly distribution: Distribution;
  readonly theta: number;
  readonly seed: string;
  readonly records: number;
  readonly valueBytes: number;
  readonly clients: number;
  readonly inFlight: number;
  readonly warmupSeconds: number;
  /** Arrivals per second asked for; null: the next operation comes when one has ended. */
  readonly rate: number | null;
}

/** See the head of this file. */
export interface Row extends RowSettings {
  readonly operations: number;
  readonly seconds: number;
  readonly operationsPerSecond: number;
  /** Failed operations, records that were missing, values with wrong bytes. */
  readonly errors: number;
  readonly failures: Readonly<Record<string, FailureCount>>;
  readonly missing: number;
  readonly mismatches: number;
  /** Tries of conditional writes that were beaten and tried again. */
  readonly conflicts: number;
  /** Whether every record was read back afterwards as it was last written; null: not asked. */
  readonly verified: boolean | null;
  /** By kind of operation: from posting to the answer. */
  readonly latency: Readonly<Record<string, LatencySummary>>;
  /** With a rate: from the time at which the operation should have begun. */
  readonly intendedLatency: Readonly<Record<string, LatencySummary>>;
  readonly roundTripsPerOperation: number;
  readonly bytesPerOperation: number;
  /** What one get, put or delete of the store cost. */
  readonly costs: Readonly<Record<string, OperationCost>>;
  /**
   * From the clients' opening to after their closing: by clients and metadata server (or
   * coordinator), and by memory nodes; applied: null without memory nodes.
   */
  readonly verbs: { readonly posted: number; readonly applied: number | null };
  readonly verbsByKind: { readonly posted: VerbTotals; readonly applied: VerbTotals | null };
  /** During the run. */
  readonly cpuSeconds: {
    readonly client: number;
    readonly memoryNode: number;
    /** Of the metadata server or coordinator; 0 for Direct. */
    readonly server: number;
  };
  /**
   * Bytes of the cells in use per entry: both copies, headers, and what a size class leaves over.
   */
  readonly bytesPerEntry: number;
  /** Bytes of all chunks per entry. */
  readonly allocatedBytesPerEntry: number;
  /** Counted by the clients from their opening on: lockWaits, tornReads, recoveries, ... */
  readonly events: Readonly<Record<string, number>>;
  readonly deadClients: readonly DeadClient[];
}

/** What was measured of a row. */
export interface Measured {
  readonly reports: readonly WorkReport[];
  /** The clients' counts of their whole life; a client that died has none. */
  readonly counters: readonly BackendCounters[];
  readonly servers: {
    readonly opened: ClusterStats;
    readonly begun: ClusterStats;
    readonly ended: ClusterStats;
    readonly closed: ClusterStats;
  };
  readonly space: SpaceStats;
  readonly verified: boolean | null;
  readonly dead: readonly DeadClient[];
}

/** Makes a row of what was measured. */
export function rowOf(settings: RowSettings, measured: Measured): Row {
  const { reports, counters, servers, space } = measured;
  const tally = new Tally();
  for (const report of reports) tally.add(report.tally);
  const nanoseconds =
    Math.max(...reports.map(({ end }) => end)) - Math.min(...reports.map(({ start }) => start));
  const seconds = nanoseconds / 1e9;
  const ofServer = serverBetween(servers.begun, servers.ended);
  const costs = costsOf(sumOf([...reports.map((report) => report.counters), ...ofServer]));
  const life = sumOf([...counters, ...serverBetween(servers.opened, servers.closed)]);
  const posted = verbsIn(Object.values(life.operations));
  const applied = appliedBetween(servers.opened, servers.closed);
  const data = tally.data();
  const entries = Math.max(1, space.cellsLive);
  return {
    ...settings,
    operations: tally.operations,
    seconds,
    operationsPerSecond: seconds > 0 ? tally.operations / seconds : 0,
    errors: tally.errors,
    failures: data.failures,
    missing: tally.missing,
    mismatches: tally.mismatches,
    conflicts: tally.conflicts,
    verified: measured.verified,
    latency: summaries(tally.service),
    intendedLatency: summaries(tally.intended),
    roundTripsPerOperation: costs.all.roundTripsPerOperation,
    bytesPerOperation: costs.all.bytesPerOperation,
    costs: costs.byKind,
    verbs: { posted: posted.total, applied: applied?.total ?? null },
    verbsByKind: { posted, applied },
    cpuSeconds: {
      client: sum(reports.map(({ cpuSeconds }) => cpuSeconds)),
      memoryNode: cpuOf(servers.ended) - cpuOf(servers.begun),
      server: (servers.ended.server?.cpuSeconds ?? 0) - (servers.begun.server?.cpuSeconds ?? 0),
    },
    bytesPerEntry: space.bytesLive / entries,
    allocatedBytesPerEntry: (space.chunks * space.chunkBytes) / entries,
    events: life.events,
    deadClients: measured.dead,
  };
}

/** Whether everything that was asked for was done, and rightly. */
export function isClean({ errors, verified, deadClients }: Row): boolean {
  return errors === 0 && verified !== false && deadClients.length === 0;
}

/** 0: all rows are clean. 6: a value was not what its writer wrote. 1: something else failed. */
export function exitCodeOf(rows: readonly Row[]): number {
  if (rows.every(isClean)) return exitCodes.ok;
  return rows.some(isDamaged) ? exitCodes.integrity : exitCodes.failed;
}

function isDamaged({ mismatches, missing, verified, failures }: Row): boolean {
  return mismatches + missing > 0 || verified === false || "PDPM_CORRUPT" in failures;
}

/**
 * What the metadata server or coordinator posted in between; nothing for Direct. An operation
 * counts once, at the client that asked for it.
 */
function serverBetween(before: ClusterStats, after: ClusterStats): BackendCounters[] {
  if (before.server === null || after.server === null) return [];
  const { operations, events } = since(before.server.counters, after.server.counters);
  const posted = Object.entries(operations).map(([kind, counts]) => {
    return [kind, Object.assign(new OperationCounters(), counts, { operations: 0 })] as const;
  });
  return [{ operations: Object.fromEntries(posted), events }];
}

function appliedBetween(before: ClusterStats, after: ClusterStats): VerbTotals | null {
  if (after.nodes.length === 0) return null;
  const then = verbsIn(before.nodes.map(({ applied }) => applied));
  const now = verbsIn(after.nodes.map(({ applied }) => applied));
  return {
    total: now.total - then.total,
    reads: now.reads - then.reads,
    writes: now.writes - then.writes,
    swaps: now.swaps - then.swaps,
    flushes: now.flushes - then.flushes,
  };
}

function summaries(all: Tally["service"]): Record<string, LatencySummary> {
  return Object.fromEntries([...all].map(([op, latencies]) => [op, latencies.summary()]));
}

function cpuOf({ nodes }: ClusterStats): number {
  return sum(nodes.map(({ cpuSeconds }) => cpuSeconds));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
