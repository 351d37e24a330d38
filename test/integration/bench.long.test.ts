// `bench` and `check`: every workload's history of every design is linearizable, and a client that is
// killed stops nobody.

import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { expectLinearizable } from "../support/bench-history.ts";
import { Scene } from "../support/processes.ts";
import { childrenOf, eventually, pdpm, Running, temporaryFolders } from "./cli-runs.ts";

const scene = new Scene();
const workloads = { ws: ["a", "d", "replay"], mapped: ["a", "b", "f"] } as const;

for (const design of ["direct", "central", "clover"] as const) {
  for (const transport of ["ws", "mapped"] as const) {
    test(`histories of ${design} over ${transport} are linearizable`, async () => {
      for (const workload of workloads[transport]) {
        await expectLinearizable(scene, design, workload, transport);
      }
    });
  }
}

for (const transport of ["ws", "mapped"]) {
  test(`a client killed in mid-bench over ${transport}: the others go on, the history checks`, async () => {
    const history = join(await scene.directory("memory"), "history");
    const before = temporaryFolders("history");
    const words = ["bench", "--workload", "a", "--records", "20", "--clients", "3", "--json"];
    const how = ["--transport", transport, "--in-flight", "8", "--seconds", "3", "--warmup", "0"];
    const running = new Running(scene, [...words, ...how, "--history", history]);
    await eventually(30_000, "a client at work", () => {
      const logs = temporaryFolders("history").filter((path) => !before.includes(path));
      const log = join(logs[0] ?? "", "client-1.jsonl");
      return existsSync(log) && statSync(log).size > 100_000;
    });
    const clients = childrenOf(running.pid).filter(({ command }) => /bench-client/.test(command));
    expect(clients).toHaveLength(3);
    const victim = clients[1] as (typeof clients)[number];
    process.kill(victim.pid, "SIGKILL");
    const { code, stdout, stderr } = await running.end();
    expect(code, stderr).toBe(1);
    expect(stderr).toMatch(/operations, \d+ of unknown outcome\n$/);
    const row = JSON.parse(stdout);
    expect(row.deadClients).toMatchObject([{ pid: victim.pid, how: "ended by SIGKILL" }]);
    expect(row.operations).toBeGreaterThan(100);
    expect(row.errors).toBe(0);
    const check = await pdpm(scene, ["check", history]);
    expect(check.code, check.stdout + check.stderr).toBe(0);
  });
}
