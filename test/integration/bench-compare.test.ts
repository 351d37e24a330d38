// `compare`: every design over both transports, measured, counted from both sides, read back; and
// then nothing of it is left, also when it is interrupted.

import { expect, test } from "vitest";
import { Scene } from "../support/processes.ts";
import { childrenOf, eventually, isAlive, pdpm, Running, temporaryFolders } from "./cli-runs.ts";

const scene = new Scene();
const small = ["compare", "--records", "300", "--seconds", "0.15", "--warmup", "0.05"];

test("18 rows: verified, and over ws every verb that was posted was applied", async () => {
  const { code, stdout, stderr } = await pdpm(scene, [...small, "--json"]);
  expect(code, stderr).toBe(0);
  const { rows, processes, environment, medium } = JSON.parse(stdout);
  const names = rows.map(
    ({ design, transport, workload }: Record<string, string>) =>
      `${design} ${transport} ${workload}`,
  );
  expect(names).toEqual(
    ["direct", "central", "clover"].flatMap((design) =>
      ["ws", "mapped"].flatMap((transport) =>
        ["c", "b", "a"].map((workload) => `${design} ${transport} ${workload}`),
      ),
    ),
  );
  for (const row of rows) {
    expect(row).toMatchObject({ errors: 0, verified: true, records: 300, mismatches: 0 });
    expect(row.operations).toBeGreaterThan(0);
    expect(row.latency.read.p99Nanoseconds).toBeGreaterThan(0);
    if (row.transport === "ws") expect(row.verbs.applied).toBe(row.verbs.posted);
    // Every client has read every record, so it knows where each one is.
    if (row.workload === "c") expect(row.roundTripsPerOperation).toBe(1);
  }
  const roles = processes.map(({ role }: { role: string }) => role);
  expect(new Set(roles)).toEqual(
    new Set(["client", "memory-node", "metadata-server", "coordinator"]),
  );
  for (const { pid, cpuSeconds } of processes) {
    expect(cpuSeconds).toBeGreaterThan(0);
    expect(isAlive(pid)).toBe(false);
  }
  expect(environment.cores).toBeGreaterThan(0);
  expect(["/dev/shm", "/tmp"].some((place) => medium.path.startsWith(place))).toBe(true);
});

test("for people: first words at once, a table of at most 100 columns, three sentences", async () => {
  const before = temporaryFolders("compare");
  const start = performance.now();
  const running = new Running(scene, small);
  expect(await running.firstLine()).toContain(process.version);
  expect(performance.now() - start).toBeLessThan(5000);
  const { code, stdout, stderr } = await running.end();
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const lines = stdout.trimEnd().split("\n");
  const rows = lines.filter((line) => /^(direct|central|clover) /.test(line));
  expect(rows).toHaveLength(18);
  for (const row of rows) {
    expect(row.length).toBeLessThanOrEqual(100);
    expect(row).toMatch(/ yes$/);
  }
  const last = lines.slice(lines.lastIndexOf("") + 1);
  expect(last).toHaveLength(3);
  for (const sentence of last) expect(sentence).toMatch(/\d.*\.$/);
  expect(temporaryFolders("compare")).toEqual(before);
});

test("an interrupted compare leaves no process and no file", async () => {
  const before = temporaryFolders("compare");
  const running = new Running(scene, ["compare", "--records", "500", "--seconds", "30"]);
  await eventually(20_000, "its processes", () => childrenOf(running.pid).length === 4);
  await new Promise((resolve) => setTimeout(resolve, 1500));
  const children = childrenOf(running.pid);
  running.signal("SIGINT");
  expect(await running.end()).toMatchObject({ signal: "SIGINT" });
  for (const { pid } of children) expect(isAlive(pid)).toBe(false);
  expect(temporaryFolders("compare")).toEqual(before);
});
