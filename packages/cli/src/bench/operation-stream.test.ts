// The stream of operations of one client: proportions, keys, and what it never does.

import { Prng } from "@pdpm/base";
import { expect, test } from "vitest";
import {
  loadRecordNumbers,
  OperationStream,
  type OperationStreamOptions,
  type WorkloadOperation,
} from "./operation-stream.ts";
import { recordKey } from "./scramble.ts";
import { isWorkloadName, type OperationName, type WorkloadName, workloads } from "./workload.ts";

const alone: OperationStreamOptions = { client: 0, clientCount: 1, recordCount: 1000 };

function take(
  name: WorkloadName,
  count: number,
  options: OperationStreamOptions = alone,
  seed = "stream",
): WorkloadOperation[] {
  const stream = new OperationStream(new Prng(seed), workloads[name], options);
  return Array.from({ length: count }, () => stream.next());
}

function recordsOf(operation: WorkloadOperation): readonly number[] {
  return operation.op === "batch" ? operation.recordNumbers : [operation.recordNumber];
}

const names = Object.keys(workloads) as WorkloadName[];

test.each(names)("workload %s has its mix, and keys of at most 24 bytes", (name) => {
  const draws = 6000;
  const counts = new Map<OperationName, number>();
  for (const operation of take(name, draws)) {
    counts.set(operation.op, (counts.get(operation.op) ?? 0) + 1);
    const keys = operation.op === "batch" ? operation.keys : [operation.key];
    const right = recordsOf(operation).every((record, i) => keys[i] === recordKey(record));
    if (!right || keys.some((key) => Buffer.byteLength(key) > 24)) expect.fail(keys.join());
  }
  const { mix } = workloads[name];
  expect([...counts.keys()].sort()).toEqual(Object.keys(mix).sort());
  for (const [op, share] of Object.entries(mix)) {
    const spread = 4 * Math.sqrt((share * (1 - share)) / draws);
    const found = (counts.get(op as OperationName) ?? 0) / draws;
    expect(Math.abs(found - share), `${op} ${found}`).toBeLessThanOrEqual(spread);
  }
});

test.each(names)("workload %s is the same for the same seed, and no number is NaN", (name) => {
  const once = take(name, 2000);
  expect(take(name, 2000)).toEqual(once);
  expect(take(name, 2000, alone, "another")).not.toEqual(once);
  expect(JSON.stringify(once)).not.toMatch(/NaN|null/);
});

test.each(["d", "e"] as const)("clients of workload %s never insert one record twice", (name) => {
  const inserted: number[] = [];
  for (let client = 0; client < 3; client += 1) {
    const options = { client, clientCount: 3, recordCount: 100 };
    for (const operation of take(name, 5000, options)) {
      if (operation.op === "insert") inserted.push(operation.recordNumber);
    }
  }
  expect(inserted.length).toBeGreaterThan(600);
  expect(new Set(inserted).size).toBe(inserted.length);
  expect(Math.min(...inserted)).toBe(100);
});

test.each(["d", "e"] as const)("a client of workload %s reads only what exists", (name) => {
  const options = { client: 1, clientCount: 3, recordCount: 100, unsettledCount: 4 };
  const mine: number[] = [];
  let newest = 0;
  for (const operation of take(name, 10_000, options)) {
    const [record = -1] = recordsOf(operation);
    if (operation.op === "insert") {
      mine.push(record);
      continue;
    }
    if (record < 100) continue;
    const index = (record - 101) / 3;
    if (mine[index] !== record || index >= mine.length - 4) expect.fail(`read ${record}`);
    if (index === mine.length - 5) newest += 1;
  }
  expect(newest).toBeGreaterThan(name === "d" ? 500 : 0);
});

test("a scan reads from one record to a hundred", () => {
  const counts = take("e", 20_000).flatMap((one) => (one.op === "scan" ? [one.count] : []));
  expect(Math.min(...counts)).toBe(1);
  expect(Math.max(...counts)).toBe(100);
  expect(counts.reduce((sum, one) => sum + one, 0) / counts.length).toBeCloseTo(50.5, -0.5);
});

test("replay appends under growing ids into a ring, and draws its batches evenly", () => {
  const options = { client: 2, clientCount: 4, recordCount: 64 };
  const operations = take("replay", 3000, options);
  let last = 62;
  const drawn = new Array<number>(64).fill(0);
  for (const operation of operations) {
    if (operation.op === "append") {
      expect(operation.id).toBe(last + 4);
      expect(operation.recordNumber).toBe(operation.id % 64);
      last = operation.id;
      continue;
    }
    expect(recordsOf(operation)).toHaveLength(32);
    for (const record of recordsOf(operation)) drawn[record] = (drawn[record] ?? Number.NaN) + 1;
  }
  const total = drawn.reduce((sum, one) => sum + one, 0);
  const chiSquare = drawn.reduce((sum, one) => sum + (one - total / 64) ** 2 / (total / 64), 0);
  expect(chiSquare).toBeLessThan(104);
});

test("the clients load each record once", () => {
  const loaded = [0, 1, 2].flatMap((client) => [...loadRecordNumbers(client, 3, 100)]);
  expect(loaded.sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i));
});

test("every workload's mix adds up to one", () => {
  for (const [name, { mix, ...workload }] of Object.entries(workloads)) {
    expect(workload.name).toBe(name);
    expect(isWorkloadName(name)).toBe(true);
    expect(Object.values(mix).reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 12);
  }
  expect(isWorkloadName("g")).toBe(false);
  expect(isWorkloadName("toString")).toBe(false);
});
