// `bench` and `check`: real client processes against real memory nodes. What is counted agrees from
// both sides, and what is recorded is linearizable. (More of it: bench.long.test.ts.)

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { expectLinearizable } from "../support/bench-history.ts";
import { Scene } from "../support/processes.ts";
import { pdpm, type RunOptions } from "./cli-runs.ts";

const scene = new Scene();
const small = ["--design", "direct", "--records", "300", "--seconds", "0.5", "--warmup", "0.1"];

async function bench(words: readonly string[], options?: RunOptions) {
  const run = await pdpm(scene, ["bench", ...small, ...words, "--json"], options);
  expect(run.code, run.stderr).toBe(0);
  return JSON.parse(run.stdout);
}

test("over ws, what clients posted is what memory nodes applied; a read is one round trip", async () => {
  const row = await bench(["--workload", "b", "--transport", "ws", "--in-flight", "4"]);
  expect(row).toMatchObject({ design: "direct", transport: "ws", errors: 0, clients: 2 });
  expect(row.operations).toBeGreaterThan(100);
  expect(row.verbs.posted).toBeGreaterThan(row.operations);
  expect(row.verbs.applied).toBe(row.verbs.posted);
  expect(row.verbsByKind.applied).toEqual(row.verbsByKind.posted);
  // Not all is warm yet, and few writes of one client to one key are combined.
  expect(row.costs.get.roundTripsPerOperation).toBeGreaterThanOrEqual(1);
  expect(row.costs.get.roundTripsPerOperation).toBeLessThan(2.5);
  expect(row.costs.put.roundTripsPerOperation).toBeGreaterThan(2);
  expect(row.latency.read.count + row.latency.update.count).toBe(row.operations);
  expect(row.cpuSeconds.client).toBeGreaterThan(0);
  expect(row.cpuSeconds.memoryNode).toBeGreaterThan(0);
  expect(row.bytesPerEntry).toBeGreaterThan(2048);
  expect(row.environment).toMatchObject({ node: process.version });
  expect(row.processes.map(({ role }: { role: string }) => role)).toEqual([
    "client",
    "client",
    "memory-node",
    "memory-node",
  ]);
});

for (const [design, transport] of [
  ["clover", "ws"],
  ["direct", "mapped"],
] as const) {
  test(`the history of workload a of ${design} over ${transport} is linearizable`, async () => {
    await expectLinearizable(scene, design, "a", transport);
  });
}

test("a directory is benched without memory nodes, and keeps its records", async () => {
  const dir = join(await scene.directory("memory"), "data");
  const row = await bench(["--dir", dir, "--durability", "process", "--max-bytes", "64MiB"]);
  expect(row).toMatchObject({ transport: "mapped", errors: 0, verbs: { applied: null } });
  expect((await pdpm(scene, ["keys", "--dir", dir])).stdout.trim().split("\n")).toHaveLength(300);
});

test("check finds a planted violation, and says which line it cannot read", async () => {
  const path = join(await scene.directory("memory"), "history");
  const header = { pdpm: "history", format: 1 };
  const about = { client: 0, key: "k", ifVersion: null, outcome: "ok" };
  const put = { ...about, op: "put", value: "0:1", version: 1, start: 1, end: 2 };
  const lost = { ...about, op: "get", value: null, version: null, start: 3, end: 4 };
  const write = (...lines: unknown[]): void =>
    writeFileSync(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  write(header, put, lost);
  const found = await pdpm(scene, ["check", path]);
  expect(found).toMatchObject({ code: 6 });
  expect(found.stdout).toContain('key "k"');
  expect(found.stdout).toContain("client 0  [#1 put 0:1 v1][#2 get -]\n");
  const asData = await pdpm(scene, ["check", path, "--json"]);
  const mistake = { mistake: "missing-although-there", operations: [put, lost], shrunk: true };
  expect(JSON.parse(asData.stdout)).toMatchObject(mistake);
  write(header, put, { op: "get" });
  const bad = await pdpm(scene, ["check", path]);
  expect(bad).toMatchObject({ code: 1, stdout: "" });
  expect(bad.stderr).toContain(`${path}:3:`);
  expect(bad.stderr).toContain("the first is line 3");
  const badAsData = await pdpm(scene, ["check", path, "--json"]);
  expect(JSON.parse(badAsData.stderr).error.message).toContain("the first is line 3");
  write({ ...header, format: 2 }, put);
  const later = await pdpm(scene, ["check", path]);
  expect(later).toMatchObject({ code: 1, stdout: "" });
  expect(later.stderr).toContain("history format 2 is not supported");
  expect(await pdpm(scene, ["check", `${path}-nowhere`])).toMatchObject({ code: 1, stdout: "" });
});
