// `compare` for people: its first words, its table, its sentences; and nothing of it is left, also
// when it is interrupted.

import { expect, test } from "vitest";
import { Scene } from "../support/processes.ts";
import { childrenOf, eventually, isAlive, Running, temporaryFolders } from "./cli-runs.ts";

const scene = new Scene();
const small = ["compare", "--records", "300", "--seconds", "0.15", "--warmup", "0.05"];

test("for people: first words at once, a table of at most 100 columns, three sentences", async () => {
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
  expect(temporaryFolders("compare", running.pid)).toEqual([]);
});

test("an interrupted compare leaves no process and no file", async () => {
  const running = new Running(scene, ["compare", "--records", "500", "--seconds", "30"]);
  await eventually(20_000, "its processes", () => childrenOf(running.pid).length === 4);
  await new Promise((resolve) => setTimeout(resolve, 1500));
  expect(temporaryFolders("compare", running.pid)).toHaveLength(1);
  const children = childrenOf(running.pid);
  running.signal("SIGINT");
  expect(await running.end()).toMatchObject({ signal: "SIGINT" });
  for (const { pid } of children) expect(isAlive(pid)).toBe(false);
  expect(temporaryFolders("compare", running.pid)).toEqual([]);
});
