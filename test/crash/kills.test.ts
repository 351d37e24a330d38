// Clients that are killed in the middle of their work, processes by SIGKILL and worker threads by
// terminate(): the others go on, what the dead held is taken back, nothing that was acknowledged is
// lost, and in the end every cell is accounted for.

import { expect, test } from "vitest";
import { startNode, urlOf } from "../support/memory-nodes.ts";
import { Scene } from "../support/processes.ts";
import { Clients, clientsAtOnce, killProcesses } from "./crowd.ts";
import { auditScript, type Ended, loadScript } from "./hot-load.ts";

const scene = new Scene();

/** How many die in a test; PDPM_KILLS says another number for all of them. */
function kills(byDefault: number): number {
  return Number(process.env["PDPM_KILLS"] ?? byDefault);
}

test("processes killed on a durable embedded store: others go on, locks are recovered, all adds up", async () => {
  const directory = await scene.directory("disk");
  const clients = await Clients.of(scene, { directory, options: { design: "direct" } }, "direct");
  const dead = await killProcesses(clients, kills(20), () => 100 + Math.random() * 200, 500);
  expect(await clients.check("killed, on a disk", auditScript, dead, 20_000)).toBeGreaterThan(0);
});

test("processes killed on an embedded store in memory: others go on, locks are recovered, all adds up", async () => {
  const directory = await scene.directory("memory");
  const clients = await Clients.of(
    scene,
    {
      directory,
      scale: 20,
      // Operations that end at once are met in flight only while there are many.
      restMs: 0,
      options: { design: "direct", durability: "process" },
    },
    "direct",
  );
  const dead = await killProcesses(clients, kills(20), () => 100 + Math.random() * 200, 500);
  expect(await clients.check("killed, in memory", auditScript, dead, 20_000)).toBeGreaterThan(0);
});

test("processes killed that reach two memory nodes over ws: locks are recovered, and all adds up", async () => {
  const hosts: string[] = [];
  for (let i = 0; i < 2; i += 1) {
    hosts.push((await startNode(scene, await scene.directory("memory"))).host);
  }
  const clients = await Clients.of(
    scene,
    { url: urlOf(...hosts), options: { transport: "ws" } },
    "direct",
  );
  const dead = await killProcesses(clients, kills(6), () => 1000 + Math.random() * 1000, 4000);
  expect(await clients.check("killed, over ws", auditScript, dead, 40_000)).toBeGreaterThan(0);
});

const hostScript = `
  const { Worker } = await import("node:worker_threads");
  const running = [];
  const ended = [];
  const start = async () => {
    const load = given.loads.shift();
    const worker = new Worker(given.source, { eval: true, workerData: load });
    worker.on("error", (error) => say({ failed: String(error.stack) }));
    const messages = [];
    const hear = (message) => (message === "ready" ? messages.shift()?.() : ended.push(message));
    worker.on("message", hear);
    await new Promise((resolve) => messages.push(resolve));
    running.push({ worker, client: load.client });
  };
  for (let i = 0; i < given.atOnce; i += 1) await start();
  const terminated = [];
  while (given.loads.length > 0) {
    await sleep(systemClock, 100 + Math.random() * 200);
    const [victim] = running.splice(Math.floor(Math.random() * running.length), 1);
    await victim.worker.terminate();
    terminated.push(victim.client);
    await start();
  }
  await sleep(systemClock, 500);
  const exits = running.map(({ worker }) => new Promise((resolve) => worker.on("exit", resolve)));
  for (const { worker } of running) worker.postMessage("stop");
  await Promise.all(exits);
  say({ terminated, ended });
  process.exit(0);
`;

test("worker threads terminated: the other threads go on, and all adds up", async () => {
  const directory = await scene.directory("disk");
  const clients = await Clients.of(scene, { directory, options: { design: "direct" } }, "direct");
  const source = `
    import { parentPort, workerData } from "node:worker_threads";
    ${loadScript}
    const stopping = { now: false };
    parentPort.on("message", () => { stopping.now = true; });
    await hotLoad(workerData, (what) => parentPort.postMessage(what), stopping);
    parentPort.close();
  `;
  const loads = Array.from({ length: clientsAtOnce + kills(10) }, () => clients.nextStarted());
  const host = scene.start(hostScript, { given: { source, loads, atOnce: clientsAtOnce } });
  const said = await host.line<{ terminated: number[]; ended: Ended[] }>(60_000 + 2000 * kills(10));
  expect(said).not.toHaveProperty("failed");
  expect(said.ended.length).toBe(clientsAtOnce);
  expect(said.ended.flatMap(({ failures }) => failures)).toEqual([]);
  expect(await host.end()).toEqual({ code: 0, signal: null });
  expect(await clients.check("terminated", auditScript, said.terminated, 20_000)).toBeGreaterThan(
    0,
  );
});
