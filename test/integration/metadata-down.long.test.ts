// A metadata server that stops, goes on, comes back without its directory, or was never there:
// Clover's warm gets and updates do not notice, whatever needs it ends at its deadline with a true
// outcome, and later it works again. Central's every operation needs its coordinator.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { errorCodes, isPdpmError, type PdpmError } from "@pdpm/base";
import { connect, type Store } from "pdpm";
import { expect, test } from "vitest";
import { startNode, startServer } from "../support/memory-nodes.ts";
import { Scene, within } from "../support/processes.ts";
import { soon } from "../support/soon.ts";
import { pdpm } from "./cli-runs.ts";

const scene = new Scene();
const endings = ["PDPM_BUSY", "PDPM_TIMEOUT", "PDPM_UNAVAILABLE"];
const exitUnavailable = 5;

/** A store with its server and one memory node, each a process of its own. */
async function cluster(design: "clover" | "central") {
  const node = await startNode(scene, await scene.directory("memory"));
  const dir = await scene.directory("memory");
  const memoryNodes = [`ws://${node.host}`];
  const server = await startServer(scene, { dir, design, memoryNodes });
  const url = `pdpm://${server.host}`;
  const again = (options: { dir: string; port?: number }) =>
    startServer(scene, { design, memoryNodes, ...options });
  return { url, dir, server, again };
}

async function client(url: string): Promise<Store<string>> {
  const store = await connect<string>(url, { codec: "utf8", transport: "ws" });
  scene.after(() => store.close({ timeoutMs: 500 }));
  return store;
}

/** The error that `work` ends with, and after how many milliseconds. */
async function failing(work: () => Promise<unknown>): Promise<{ error: PdpmError; ms: number }> {
  const start = performance.now();
  const error = await within(20_000, "an operation with a deadline", () =>
    work().then(
      () => undefined,
      (reason: unknown) => reason,
    ),
  );
  if (!isPdpmError(error)) throw error ?? new Error("it did not fail");
  return { error, ms: performance.now() - start };
}

function expectEnded({ error, ms }: { error: PdpmError; ms: number }, timeoutMs: number): void {
  expect(endings).toContain(error.code);
  expect(errorCodes[error.code].exitCode).toBe(exitUnavailable);
  expect(ms).toBeGreaterThan(timeoutMs - 50);
  expect(ms).toBeLessThan(timeoutMs + 1500);
}

test("Clover: while its metadata server is stopped warm gets and updates go on, inserts end in time, and later it works", async () => {
  const { url, server } = await cluster("clover");
  const store = await client(url);
  const keys = Array.from({ length: 20 }, (_, i) => `key ${i}`);
  for (const key of keys) await store.put(key, "first");
  for (const key of keys) await store.put(key, "warm");
  server.child.signal("SIGSTOP");
  for (let turn = 0; turn < 3; turn += 1) {
    for (const key of keys) {
      await store.put(key, `turn ${turn}`);
      expect(await store.get(key)).toBe(`turn ${turn}`);
    }
  }
  const insert = await failing(() => store.put("new", "in vain", { timeoutMs: 600 }));
  expectEnded(insert, 600);
  expectEnded(await failing(() => store.get("never seen", { timeoutMs: 300 })), 300);
  const run = await pdpm(scene, ["put", "another", "x", "--url", url, "--timeout-ms", "800"]);
  expect(run.code).toBe(exitUnavailable);
  expect(run.stderr).toMatch(/PDPM_(BUSY|TIMEOUT|UNAVAILABLE)/);
  server.child.signal("SIGCONT");
  await soon(10_000, () => store.put("new", "after", { timeoutMs: 2000 }));
  expect(await store.get("new")).toBe("after");
  for (const key of keys) expect(await store.get(key)).toBe("turn 2");
  expect(await pdpm(scene, ["put", "another", "x", "--url", url])).toMatchObject({ code: 0 });
  expect(await store.get("another")).toBe("x");
  // Nothing of what had ended came about later, over what was acknowledged.
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(await store.get("new")).toBe("after");
});

test("Central: while its coordinator is stopped everything ends in time, and later it works", async () => {
  const { url, server } = await cluster("central");
  const store = await client(url);
  await store.put("key", "before");
  server.child.signal("SIGSTOP");
  expectEnded(await failing(() => store.put("new", "perhaps", { timeoutMs: 600 })), 600);
  expectEnded(await failing(() => store.get("key", { timeoutMs: 300 })), 300);
  server.child.signal("SIGCONT");
  expect(await soon(10_000, () => store.get("key", { timeoutMs: 2000 }))).toBe("before");
  await soon(10_000, () => store.put("key", "after", { timeoutMs: 2000 }));
  expect(await store.get("key")).toBe("after");
});

/** Why a server did not start. */
async function refusal(starting: Promise<unknown>): Promise<string> {
  return starting.then(
    () => "it started",
    (error: Error) => error.message,
  );
}

for (const design of ["clover", "central"] as const) {
  test(`${design}: a server with an empty directory is refused beside data, and the true one is welcome`, async () => {
    const { url, dir, server, again } = await cluster(design);
    const store = await client(url);
    await store.put("key", "value");
    await server.child.kill();
    const port = Number(new URL(`ws://${server.host}`).port);
    const empty = await scene.directory("memory");
    expect(await refusal(again({ dir: empty, port }))).toContain("PDPM_WRONG_STORE");
    await again({ dir, port });
    expect(await soon(10_000, () => store.get("key", { timeoutMs: 2000 }))).toBe("value");
    await soon(10_000, () => store.put("new", "value", { timeoutMs: 2000 }));
    expect(await store.get("new")).toBe("value");
  });

  test(`${design}: of two servers on one directory the second is refused, and the first goes on`, async () => {
    const { url, dir, again } = await cluster(design);
    expect(await refusal(again({ dir }))).toContain("PDPM_IN_USE");
    const store = await client(url);
    await store.put("key", "value");
    expect(await store.get("key")).toBe("value");
  });
}

test("a metadata server that cannot be reached is unavailable, within the time given", async () => {
  const { url, server } = await cluster("clover");
  await server.child.kill();
  const start = performance.now();
  const { error } = await failing(() => connect(url, { timeoutMs: 1000 }));
  expect(error.code).toBe("PDPM_UNAVAILABLE");
  expect(performance.now() - start).toBeLessThan(2500);
  const run = await pdpm(scene, ["get", "key", "--url", url, "--timeout-ms", "1000"]);
  expect(run).toMatchObject({ code: exitUnavailable, stdout: "" });
  expect(run.stderr).toContain("PDPM_UNAVAILABLE");
});

test("a metadata server whose directory cannot be made says so", async () => {
  const node = await startNode(scene, await scene.directory("memory"));
  const file = join(await scene.directory("memory"), "a file");
  writeFileSync(file, "no directory");
  const dir = join(file, "metadata");
  const options = { dir, design: "clover", memoryNodes: [`ws://${node.host}`] } as const;
  expect(await refusal(startServer(scene, options))).toMatch(/ENOTDIR/);
});
