// `compare`: every design over both transports, measured, counted from both sides, read back. (For
// people, and when it is interrupted: bench-compare.long.test.ts.)

import { expect, test } from "vitest";
import { Scene } from "../support/processes.ts";
import { isAlive, Running, temporaryFolders } from "./cli-runs.ts";

const scene = new Scene();
const small = ["compare", "--records", "300", "--seconds", "0.15", "--warmup", "0.05"];

test("18 rows: verified, and over ws every verb that was posted was applied", async () => {
  const running = new Running(scene, [...small, "--json"]);
  const { code, stdout, stderr } = await running.end();
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
  expect(temporaryFolders("compare", running.pid)).toEqual([]);
});
