// The command line with memory nodes: `up` and `memory-node` serve, answer over both transports,
// and leave nothing behind, however they end.

import { join } from "node:path";
import { expect, test } from "vitest";
import { Scene } from "../support/processes.ts";
import { childrenOf, eventually, isAlive, pdpm, Running, temporaryFolders } from "./cli-runs.ts";

const scene = new Scene();
const endMs = 15_000;

test("a memory node says its URL, serves its store over ws and mapped, and stops when told", async () => {
  const dir = await scene.directory("memory");
  const start = () => new Running(scene, ["memory-node", "--dir", dir, "--json"]);
  const node = start();
  const { url, pid } = JSON.parse(await node.firstLine());
  expect(pid).toBe(node.pid);
  const PDPM_URL = `${url.replace("ws:", "pdpm:")}?design=direct`;
  const run = (...words: string[]) => pdpm(scene, words, { env: { PDPM_URL } });
  expect(await run("put", "k", "v", "--transport", "ws")).toMatchObject({ code: 0 });
  expect(await run("get", "k", "--transport", "mapped")).toMatchObject({ code: 0, stdout: "v" });
  expect(await run("get", "k", "--transport", "ws")).toMatchObject({ code: 0, stdout: "v" });
  const second = await pdpm(scene, ["memory-node", "--dir", dir]);
  expect(second).toMatchObject({ code: 5, stdout: "" });
  expect(second.stderr).toContain(String(node.pid));
  const stats = JSON.parse((await run("stats", "--json")).stdout);
  expect(stats.nodes).toHaveLength(1);
  expect(stats.nodes[0].applied.writes).toBeGreaterThan(0);
  node.signal("SIGTERM");
  expect(await node.end()).toMatchObject({ code: 0, signal: null, stderr: "" });
  const gone = await pdpm(scene, ["get", "k", "--timeout-ms", "500"], { env: { PDPM_URL } });
  expect(gone).toMatchObject({ code: 5, stdout: "" });
});

test("a stopped memory node: get ends in its time with exit code 5, and works again afterwards", async () => {
  const dir = await scene.directory("memory");
  const node = new Running(scene, ["memory-node", "--dir", dir, "--json"]);
  const { url } = JSON.parse(await node.firstLine());
  const PDPM_URL = `${url.replace("ws:", "pdpm:")}?design=direct`;
  const get = () => pdpm(scene, ["get", "k", "--timeout-ms", "300"], { env: { PDPM_URL } });
  await pdpm(scene, ["put", "k", "v"], { env: { PDPM_URL } });
  node.signal("SIGSTOP");
  const start = performance.now();
  expect(await get()).toMatchObject({ code: 5, stdout: "" });
  // The bar is 500 ms on a machine at rest; here other tests run, too.
  expect(performance.now() - start).toBeLessThan(2000);
  node.signal("SIGCONT");
  await pdpm(scene, ["get", "k"], { env: { PDPM_URL } });
  expect(await get()).toMatchObject({ code: 0, stdout: "v" });
});

test("up prints the URL of a cluster, and ends it with itself", async () => {
  const up = new Running(scene, ["up", "--nodes", "3", "--json"]);
  const { url, nodes, server } = JSON.parse(await up.firstLine());
  expect(nodes).toHaveLength(3);
  const children = childrenOf(up.pid);
  expect(children.map(({ pid }) => pid).sort()).toEqual(
    [...nodes, server].map(({ pid }: { pid: number }) => pid).sort(),
  );
  const run = (...words: string[]) => pdpm(scene, [...words, "--url", url]);
  expect(await run("put", "k", "v")).toMatchObject({ code: 0 });
  expect(await run("get", "k", "--transport", "ws")).toMatchObject({ stdout: "v" });
  expect(temporaryFolders("up", up.pid)).toHaveLength(1);
  up.signal("SIGINT");
  expect(await up.end()).toMatchObject({ code: 0, signal: null });
  for (const { pid } of children) expect(isAlive(pid)).toBe(false);
  expect(temporaryFolders("up", up.pid)).toEqual([]);
});

test("what stands in a directory of up is there again the next time", async () => {
  const dir = join(await scene.directory("memory"), "cluster");
  for (const expected of ["", "v"]) {
    const up = new Running(scene, ["up", "--dir", dir]);
    const url = await up.firstLine();
    const got = await pdpm(scene, ["get", "k", "--url", url]);
    expect(got.stdout).toBe(expected);
    await pdpm(scene, ["put", "k", "v", "--url", url]);
    up.signal("SIGTERM");
    expect(await up.end()).toMatchObject({ code: 0 });
  }
});

test("the nodes of an up that was killed end by themselves", async () => {
  const dir = await scene.directory("memory");
  const up = new Running(scene, ["up", "--dir", dir]);
  await up.firstLine();
  const children = childrenOf(up.pid);
  // Two memory nodes and a metadata server.
  expect(children).toHaveLength(3);
  up.signal("SIGKILL");
  await up.end();
  await eventually(endMs, "the end of the nodes", () => !children.some(({ pid }) => isAlive(pid)));
});

test("an up whose node dies says so and ends", async () => {
  const dir = await scene.directory("memory");
  const up = new Running(scene, ["up", "--dir", dir]);
  await up.firstLine();
  process.kill(childrenOf(up.pid)[1]?.pid as number, "SIGKILL");
  const { code, stderr } = await up.end();
  expect(code).toBe(1);
  expect(stderr).toMatch(/memory node 1 \(pid \d+\) ended by SIGKILL/);
});
