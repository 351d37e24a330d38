// The table of compare keeps to its 100 columns, whatever the numbers are.

import { expect, test } from "vitest";
import { sentences, tableHead, tableRow } from "./compare-table.ts";
import type { Row } from "./row.ts";

function row(part: Partial<Row>): Row {
  const latency = { p50Nanoseconds: 12_345, p99Nanoseconds: 123_456 };
  const plain = {
    design: "direct",
    transport: "ws",
    workload: "a",
    operationsPerSecond: 1000,
    latency: { read: latency, update: latency },
    roundTripsPerOperation: 2.5,
    bytesPerOperation: 1600,
    verbs: { posted: 100, applied: 100 },
    cpuSeconds: { client: 3, memoryNode: 1, server: 0 },
    costs: {
      get: { operations: 10, roundTripsPerOperation: 1, bytesPerOperation: 1 },
      put: { operations: 10, roundTripsPerOperation: 4, bytesPerOperation: 1 },
    },
    errors: 0,
    verified: true,
    deadClients: [],
  };
  return { ...plain, ...part } as unknown as Row;
}

test("a row has at most 100 columns, and says how it went", () => {
  const large = { p50Nanoseconds: 9.9e12, p99Nanoseconds: 9.9e12 };
  const rows = [
    row({}),
    row({
      design: "clover",
      transport: "mapped",
      operationsPerSecond: 98_765_432_109,
      latency: { read: large, update: large } as unknown as Row["latency"],
      bytesPerOperation: 123_456_789,
      verbs: { posted: 98_765_432_109, applied: 12_345_678_901 },
      cpuSeconds: { client: 99.9, memoryNode: 99.9, server: 99.9 },
    }),
  ];
  for (const line of [...tableHead, ...rows.map(tableRow)]) {
    expect(line.length, line).toBeLessThanOrEqual(100);
  }
  expect(tableRow(row({}))).toMatch(/ all +3\.0 +1\.0 +- yes$/);
  expect(tableRow(row({ verified: false }))).toMatch(/ NO$/);
  expect(tableRow(row({ errors: 1 }))).toMatch(/ NO$/);
});

test("the sentences are computed from the rows", () => {
  const rows = [
    row({ workload: "c", operationsPerSecond: 4000 }),
    row({}),
    row({ workload: "c", transport: "mapped", operationsPerSecond: 40_000 }),
    row({ transport: "mapped", cpuSeconds: { client: 1, memoryNode: 0, server: 1 } }),
  ];
  expect(sentences(rows)).toEqual([
    "Mapped against ws: direct does 10.0 (C), 1.0 (A) times the operations per second.",
    "Round trips: direct takes 4.00 for an update and 1.00 for a read, and A (half updates) " +
      "reaches 25 % of C's (reads only) rate over ws.",
    "CPU time of memory nodes and server, of all: " +
      "direct 25 % and 0 % over ws, 17 % and 17 % mapped.",
  ]);
});
