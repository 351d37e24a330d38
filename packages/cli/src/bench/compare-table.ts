// The table that `compare` prints, row by row as they come, in at most 100 columns; and three
// sentences computed from its rows.

import { fixed, grouped, microseconds, percent } from "./numbers.ts";
import { isClean, type Row } from "./row.ts";

/** Widths of the columns; the first three are aligned to the left. */
const widths = [7, 6, 2, 7, 6, 7, 6, 7, 5, 5, 6, 6, 4, 4, 4, 3];
const leftCount = 3;

/** The lines above the rows. */
export const tableHead: readonly string[] = [
  line([
    ...["", "", "", "", "read", "us", "upd.", "us", "trips", "bytes"],
    ...["verbs", "", "CPU", "s", "", ""],
  ]),
  line([
    ...["design", "over", "wl", "ops/s", "p50", "p99", "p50", "p99", "/op", "/op"],
    ...["posted", "appl'd", "cl.", "m.n.", "srv.", "ok"],
  ]),
];

/** One row. */
export function tableRow(row: Row): string {
  const { latency, verbs, cpuSeconds } = row;
  const time = (nanoseconds: number | undefined): string =>
    nanoseconds === undefined ? "-" : microseconds(nanoseconds);
  return line([
    row.design,
    row.transport,
    row.workload.toUpperCase(),
    grouped(row.operationsPerSecond),
    time(latency["read"]?.p50Nanoseconds),
    time(latency["read"]?.p99Nanoseconds),
    time(latency["update"]?.p50Nanoseconds),
    time(latency["update"]?.p99Nanoseconds),
    fixed(row.roundTripsPerOperation, 2),
    grouped(row.bytesPerOperation),
    grouped(verbs.posted),
    verbs.applied === verbs.posted ? "all" : grouped(verbs.applied ?? 0),
    fixed(cpuSeconds.client, 1),
    fixed(cpuSeconds.memoryNode, 1),
    row.design === "direct" ? "-" : fixed(cpuSeconds.server, 1),
    isClean(row) && row.verified === true ? "yes" : "NO",
  ]);
}

function line(cells: readonly string[]): string {
  const padded = cells.map((cell, at) => {
    const width = widths[at] ?? 0;
    return at < leftCount ? cell.padEnd(width) : shortened(cell, width).padStart(width);
  });
  return padded.join(" ").trimEnd();
}

/** A number that is too wide for its column, in thousands and so on; --json has it in full. */
function shortened(cell: string, width: number): string {
  if (cell.length <= width) return cell;
  const value = Number(cell.replaceAll(",", ""));
  const units = [...["k", "M", "G"].entries()];
  const texts = units.map(([at, unit]) => `${grouped(value / 1000 ** (at + 1))}${unit}`);
  return texts.find((text) => text.length <= width) ?? "many";
}

/** What the table means, in three sentences; nothing in them is typed in. */
export function sentences(rows: readonly Row[]): string[] {
  const designs = [...new Set(rows.map(({ design }) => design))];
  const each = (say: (of: readonly Row[]) => string): string =>
    designs
      .map((design) => `${design} ${say(rows.filter((row) => row.design === design))}`)
      .join("; ");
  return [
    `Mapped against ws: ${each(mappedAgainstWs)}.`,
    `Round trips: ${each(updateAgainstRead)}.`,
    `CPU time of memory nodes and server, of all: ${each(shareOfServers)}.`,
  ];
}

function mappedAgainstWs(rows: readonly Row[]): string {
  const factors = pairs(rows).map(([ws, mapped]) => {
    const factor = mapped.operationsPerSecond / ws.operationsPerSecond;
    return `${fixed(factor, 1)} (${ws.workload.toUpperCase()})`;
  });
  return `does ${factors.join(", ")} times the operations per second`;
}

function pairs(rows: readonly Row[]): [ws: Row, mapped: Row][] {
  return rows.flatMap((ws) => {
    const mapped = rows.find((row) => row.transport === "mapped" && row.workload === ws.workload);
    return ws.transport === "ws" && mapped !== undefined ? [[ws, mapped]] : [];
  });
}

function updateAgainstRead(rows: readonly Row[]): string {
  const ws = rows.filter(({ transport }) => transport === "ws");
  const costOf = (kind: string): number => {
    const costs = ws.flatMap(({ costs }) => costs[kind] ?? []);
    const operations = costs.reduce((sum, cost) => sum + cost.operations, 0);
    const trips = costs.reduce((sum, { operations, roundTripsPerOperation }) => {
      return sum + operations * roundTripsPerOperation;
    }, 0);
    return trips / operations;
  };
  const rate = (workload: string): number =>
    ws.find((row) => row.workload === workload)?.operationsPerSecond ?? 0;
  const part = percent(rate("a"), rate("c"));
  const costs = `takes ${fixed(costOf("put"), 2)} for an update and ${fixed(costOf("get"), 2)} for a read`;
  return `${costs}, and A (half updates) reaches ${part} of C's (reads only) rate over ws`;
}

function shareOfServers(rows: readonly Row[]): string {
  const shareOver = (transport: string): string => {
    const seconds = rows.filter((row) => row.transport === transport).map((row) => row.cpuSeconds);
    const nodes = seconds.reduce((sum, { memoryNode }) => sum + memoryNode, 0);
    const servers = seconds.reduce((sum, { server }) => sum + server, 0);
    const all = seconds.reduce((sum, { client }) => sum + client, nodes + servers);
    return `${percent(nodes, all)} and ${percent(servers, all)}`;
  };
  return `${shareOver("ws")} over ws, ${shareOver("mapped")} mapped`;
}
