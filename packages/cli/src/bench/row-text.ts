// One row in full, for people: what `bench` prints.

import { columns, fixed, grouped, microseconds } from "./numbers.ts";
import type { LatencySummary } from "./percentiles.ts";
import type { Row } from "./row.ts";
import { workloads } from "./workload.ts";

/** The lines of a row, without its environment. */
export function rowText(row: Row): string[] {
  return [
    ...headLines(row),
    "",
    `operations/s  ${grouped(row.operationsPerSecond)}  (${grouped(row.operations)} in ` +
      `${fixed(row.seconds, 2)} s, ${grouped(row.errors)} errors)`,
    ...failureLines(row),
    "",
    ...latencyLines(row),
    "",
    ...costLines(row),
    ...row.deadClients.map(({ client, pid, how }) => `client ${client} (pid ${pid}) ${how}`),
  ];
}

function headLines(row: Row): string[] {
  const { workload, distribution, theta, seed, design, transport } = row;
  const skew = distribution === "uniform" ? "" : ` ${theta}`;
  return [
    `workload ${workload}: ${workloads[workload].title}; ${distribution}${skew}, seed ${seed}`,
    `${design} over ${transport}, ${row.clients} clients x ${row.inFlight} in flight, ` +
      `${grouped(row.records)} records of ${grouped(row.valueBytes)} bytes, ` +
      `warm-up ${row.warmupSeconds} s`,
  ];
}

function failureLines({ failures, missing, mismatches, conflicts }: Row): string[] {
  const lines = Object.entries(failures).map(
    ([code, { count, message }]) => `  ${grouped(count)} x ${code}, first: ${message}`,
  );
  if (missing > 0) lines.push(`  ${grouped(missing)} records were missing`);
  if (mismatches > 0) lines.push(`  ${grouped(mismatches)} values had bytes that nobody wrote`);
  if (conflicts > 0)
    lines.push(`  ${grouped(conflicts)} conditional writes were beaten and repeated`);
  return lines;
}

function latencyLines({ latency, intendedLatency, rate }: Row): string[] {
  const head = ["microseconds", "count", "mean", "p50", "p90", "p99", "p99.9", "max"];
  const rows = Object.entries(latency).map(([op, summary]) => cells(op, summary));
  for (const [op, summary] of Object.entries(intendedLatency)) {
    rows.push(cells(`${op}, intended`, summary));
  }
  const lines = columns([head, ...rows], 1);
  if (rate === null) return lines;
  const text = "intended: from the time at which the operation should have begun at the rate of";
  return [...lines, `${text} ${grouped(rate)}/s; the wait for a free slot counts`];
}

function cells(name: string, summary: LatencySummary): string[] {
  const { meanNanoseconds, p50Nanoseconds, p90Nanoseconds, p99Nanoseconds } = summary;
  const { p999Nanoseconds, maxNanoseconds, count } = summary;
  const times = [meanNanoseconds, p50Nanoseconds, p90Nanoseconds, p99Nanoseconds];
  return [name, grouped(count), ...[...times, p999Nanoseconds, maxNanoseconds].map(microseconds)];
}

function costLines(row: Row): string[] {
  const { costs, verbs, cpuSeconds, events } = row;
  const byKind = Object.entries(costs).map(
    ([kind, cost]) => `${kind} ${fixed(cost.roundTripsPerOperation, 2)}`,
  );
  const applied =
    verbs.applied === null
      ? "no memory nodes"
      : `${grouped(verbs.applied)} applied by memory nodes`;
  const lines: [string, string][] = [
    ["round trips/op", `${fixed(row.roundTripsPerOperation, 2)} (${byKind.join(", ")})`],
    ["bytes/op", grouped(row.bytesPerOperation)],
    ["verbs", `${grouped(verbs.posted)} posted, ${applied}`],
    [
      "CPU seconds",
      `clients ${fixed(cpuSeconds.client, 2)}, memory nodes ${fixed(cpuSeconds.memoryNode, 2)}` +
        (row.design === "direct" ? "" : `, server ${fixed(cpuSeconds.server, 2)}`),
    ],
    [
      "space",
      `${grouped(row.bytesPerEntry)} bytes per entry in cells, ` +
        `${grouped(row.allocatedBytesPerEntry)} in chunks`,
    ],
    ...cursorLine(events),
    ["events", eventsText(events)],
  ];
  return columns(lines, 2);
}

/** How often a client knew where a key is; not for clients that never do. */
function cursorLine({
  cursorHits: hits = 0,
  cursorMisses: misses = 0,
}: Readonly<Record<string, number>>): [string, string][] {
  if (hits + misses === 0) return [];
  const share = fixed((100 * hits) / (hits + misses), 1);
  return [["cursors", `${share} % of ${grouped(hits + misses)} look-ups found one`]];
}

/** What happened beside the plain way, zeros left out. */
function eventsText(events: Readonly<Record<string, number>>): string {
  const { lockWaits = 0, tornReads = 0, recoveries = 0, ...others } = events;
  const rest = Object.entries(others).filter(([, count]) => count > 0);
  return [
    ...Object.entries({ lockWaits, tornReads, recoveries }),
    ...rest.filter(([name]) => !name.startsWith("cursor")),
  ]
    .map(([name, count]) => `${name} ${grouped(count)}`)
    .join(", ");
}
