// `bench` and `check`: histories of every design and four workloads are linearizable, and a client
// that is killed stops nobody.

import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { expectLinearizable } from "../support/bench-history.ts";
import { Scene } from "../support/processes.ts";
import { childrenOf, eventually, isAlive, pdpm, Running, temporaryFolders } from "./cli-runs.ts";

const scene = new Scene();
const small = ["--design", "direct", "--records", "300", "--seconds", "0.5", "--warmup", "0.1"];

async function bench(words: readonly string[]) {
  const run = await pdpm(scene, ["bench", ...small, ...words, "--json"]);
  expect(run.code, run.stderr).toBe(0);
  return JSON.parse(run.stdout);
}
const workloads = { ws: ["a", "replay"], mapped: ["d", "f"] } as const;

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
    const words = ["bench", "--workload", "a", "--records", "20", "--clients", "3", "--json"];
    const how = ["--transport", transport, "--in-flight", "8", "--seconds", "3", "--warmup", "0"];
    const running = new Running(scene, [...words, ...how, "--history", history]);
    await eventually(30_000, "a client at work", () => {
      const logs = temporaryFolders("history", running.pid);
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

test("the same seed asks for the same records in the same order", async () => {
  const keysOf = async (seed: string): Promise<string[]> => {
    const history = join(await scene.directory("memory"), "history");
    const few = ["--operations", "40", "--clients", "1", "--warmup", "0", "--records", "50"];
    await bench([...few, "--in-flight", "1", "--seed", seed, "--history", history]);
    const lines = readFileSync(history, "utf8").trim().split("\n").slice(1);
    return lines.map((line) => JSON.parse(line).key);
  };
  const first = await keysOf("7");
  expect(first).toHaveLength(90);
  expect(await keysOf("7")).toEqual(first);
  expect(await keysOf("8")).not.toEqual(first);
});

test("with a rate, the intended time says what waiting cost", async () => {
  const row = await bench(["--workload", "c", "--rate", "400", "--seconds", "1"]);
  expect(row.operations).toBeGreaterThan(300);
  expect(row.operations).toBeLessThan(450);
  expect(row.intendedLatency.read.count).toBe(row.latency.read.count);
  expect(row.intendedLatency.read.meanNanoseconds).toBeGreaterThan(
    row.latency.read.meanNanoseconds,
  );
});

test("the processes of a bench that was killed end by themselves", async () => {
  const dir = await scene.directory("memory");
  const running = new Running(scene, [
    "bench",
    "--records",
    "300",
    "--seconds",
    "60",
    "--dir",
    dir,
  ]);
  await eventually(20_000, "its clients", () => childrenOf(running.pid).length === 2);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const children = childrenOf(running.pid);
  running.signal("SIGKILL");
  await running.end();
  await eventually(15_000, "their end", () => !children.some(({ pid }) => isAlive(pid)));
});

test("an interrupted bench leaves no process and no file", async () => {
  const history = join(await scene.directory("memory"), "history");
  const words = ["bench", "--records", "300", "--seconds", "60", "--history", history];
  const running = new Running(scene, words);
  const made = () => ["bench", "history"].flatMap((name) => temporaryFolders(name, running.pid));
  await eventually(20_000, "its processes", () => childrenOf(running.pid).length === 5);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  expect(made()).toHaveLength(2);
  const children = childrenOf(running.pid);
  running.signal("SIGINT");
  expect(await running.end()).toMatchObject({ signal: "SIGINT", stdout: "" });
  for (const { pid } of children) expect(isAlive(pid)).toBe(false);
  expect(made()).toEqual([]);
});

test("workload e is refused where keys have no order, and nothing is left", async () => {
  const running = new Running(scene, ["bench", "--workload", "e", ...small]);
  const run = await running.end();
  expect(run).toMatchObject({ code: 2, stdout: "" });
  expect(run.stderr).toContain("supports.orderedKeys");
  expect(temporaryFolders("bench", running.pid)).toEqual([]);
});

test("a client with few cursors asks more often, and the least lately used one is missed least", async () => {
  const shares: number[] = [];
  for (const [cursors, eviction] of [
    ["1000", "fifo"],
    ["50", "fifo"],
    ["50", "lru"],
  ] as const) {
    const dir = join(await scene.directory("memory"), "store");
    const how = ["--workload", "c", "--records", "1000", "--operations", "20000", "--clients", "1"];
    const cache = ["--cursors", cursors, "--eviction", eviction, "--warmup", "0", "--json"];
    const words = ["bench", "--dir", dir, ...how, ...cache];
    const { code, stdout, stderr } = await pdpm(scene, words);
    expect(code, stderr).toBe(0);
    const { cursorHits, cursorMisses } = JSON.parse(stdout).events;
    shares.push(cursorHits / (cursorHits + cursorMisses));
  }
  const [all, fifo, lru] = shares as [number, number, number];
  expect(all).toBeGreaterThan(0.9);
  expect(lru).toBeGreaterThan(fifo);
  expect(fifo).toBeGreaterThan(0.1);
  expect(lru).toBeLessThan(0.8);
});

test("options of cursors are refused where a design has none, before anything is made", async () => {
  for (const [design, option] of [
    ["central", ["--cursors", "5"]],
    ["direct", ["--eviction", "lru"]],
  ] as const) {
    const dir = join(await scene.directory("memory"), "store");
    const run = await pdpm(scene, ["bench", "--design", design, "--dir", dir, ...option]);
    expect(run).toMatchObject({ code: 2, stdout: "" });
    expect(run.stderr).toContain(`the store is of design ${design}`);
    expect(existsSync(dir)).toBe(false);
  }
});
