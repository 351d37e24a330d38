// SIGKILL for clients of Clover and Central under load, and for the servers that they need: the
// others go on, what the dead had leased is taken back, nothing that was acknowledged is lost, and
// after a full collection every buffer is accounted for. PDPM_KILLS says how many die in each test.

import { join } from "node:path";
import { Prng, systemClock } from "@pdpm/base";
import type { CoordinatorStats } from "@pdpm/central";
import { RemoteService } from "@pdpm/metadata-server/remote";
import { serverReport } from "pdpm/server";
import { expect, test } from "vitest";
import { type NodeProcess, startNode, startServer } from "../support/memory-nodes.ts";
import { Scene } from "../support/processes.ts";
import { Clients, clientsAtOnce, killProcesses, type Running, stopAll } from "./crowd.ts";
import { metadataAuditScript } from "./metadata-audit.ts";

const scene = new Scene();
const kills = Number(process.env["PDPM_KILLS"] ?? 6);

function pause(leastMs: number, mostMs: number): Promise<void> {
  const ms = leastMs + Math.random() * (mostMs - leastMs);
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Two memory nodes and a metadata server that can be killed and started again where it was. */
async function cluster(design: "clover" | "central") {
  const hosts: string[] = [];
  for (let i = 0; i < 2; i += 1) {
    hosts.push((await startNode(scene, await scene.directory("memory"))).host);
  }
  const dir = await scene.directory("memory");
  const memoryNodes = hosts.map((host) => `ws://${host}`);
  let server: NodeProcess = await startServer(scene, { dir, design, memoryNodes });
  const { host } = server;
  const port = Number(new URL(`ws://${host}`).port);
  return {
    url: `pdpm://${host}`,
    kill: () => server.child.kill(),
    restart: async () => {
      server = await startServer(scene, { dir, design, memoryNodes, port });
    },
    /** Spans that the server that runs now took back from the dead. */
    recoveries: async (): Promise<number> => {
      const { counters } = await serverReport(`ws://${host}`);
      return counters.events["recoveries"] ?? 0;
    },
  };
}

/** One of the running is killed; it is taken off the list. Returns its number. */
async function killOne(running: Running[], index: number): Promise<number> {
  const [victim] = running.splice(index, 1);
  const { child, client } = victim as Running;
  await child.kill();
  return client;
}

function anyOf(running: readonly Running[]): number {
  return Math.floor(Math.random() * running.length);
}

test("Clover, embedded: processes are killed, their leases come back, and all adds up", async () => {
  const directory = await scene.directory("disk");
  const clients = await Clients.of(scene, { directory, options: { design: "clover" } }, "clover");
  const dead = await killProcesses(clients, kills, () => 200 + Math.random() * 300, 500);
  const recoveries = await clients.check("Clover, embedded", metadataAuditScript, dead, 20_000);
  expect(recoveries).toBeGreaterThan(0);
});

test("Clover, over ws: clients are killed, the server takes back their leases, and all adds up", async () => {
  const { url, recoveries } = await cluster("clover");
  const clients = await Clients.of(scene, { url, options: { transport: "ws" } }, "clover");
  const dead = await killProcesses(clients, kills, () => 300 + Math.random() * 500, 500);
  await clients.check("Clover, over ws", metadataAuditScript, dead, 40_000);
  expect(await recoveries()).toBeGreaterThan(0);
});

test("Clover: the metadata server is killed under load, each time with a client, and comes back", async () => {
  const { url, kill, restart, recoveries } = await cluster("clover");
  const clients = await Clients.of(scene, { url }, "clover");
  const running = await clients.startAll();
  const dead: number[] = [];
  for (let i = 0; i < kills; i += 1) {
    await pause(200, 600);
    await kill();
    clients.serverKills += 1;
    // Nobody is there to see it die.
    dead.push(await killOne(running, anyOf(running)));
    await pause(0, 300);
    await restart();
    running.push(await clients.start());
  }
  await stopAll(running);
  await clients.check("Clover's server", metadataAuditScript, dead, 40_000);
  expect(await recoveries()).toBeGreaterThan(0);
});

/** Who coordinates the Central store in `directory` now: pid, term, and what it took back. */
async function coordinatorOf(directory: string) {
  const remote = await RemoteService.connect({
    url: join(directory, "coordinator.sock"),
    clock: systemClock,
    prng: Prng.random(),
    timeoutMs: 20_000,
  });
  try {
    const answer = async <T>(request: unknown): Promise<T> => {
      const reply = (await remote.call(request, false)) as { done?: T };
      if (reply.done === undefined) throw new Error(`no answer: ${JSON.stringify(reply)}`);
      return reply.done;
    };
    const greeting = await answer<{ term: number }>({ op: "hello" });
    const { counters } = await answer<CoordinatorStats>({ op: "stats", timeoutMs: 20_000 });
    const recoveries = counters.events["recoveries"] ?? 0;
    return { pid: remote.hello.pid, term: greeting.term, recoveries };
  } finally {
    await remote.close();
  }
}

test("Central, embedded: whoever coordinates is killed, the next one takes over, and all adds up", async () => {
  const directory = await scene.directory("disk");
  const options = { design: "central" };
  const clients = await Clients.of(scene, { directory, options, mayDoubt: true }, "central");
  const running = await clients.startAll();
  const dead: number[] = [];
  const terms: number[] = [];
  let recoveries = 0;
  for (let i = 0; i < kills; i += 1) {
    await pause(200, 600);
    const { pid, term } = await coordinatorOf(directory);
    expect(term).toBeGreaterThan(terms.at(-1) ?? 0);
    terms.push(term);
    const index = running.findIndex(({ child }) => child.pid === pid);
    expect(index).toBeGreaterThanOrEqual(0);
    dead.push(await killOne(running, index));
    if (i % 2 === 1) dead.push(await killOne(running, anyOf(running)));
    while (running.length < clientsAtOnce) running.push(await clients.start());
    // One that is ready has found the next coordinator, which serves after it took everything back.
    recoveries += (await coordinatorOf(directory)).recoveries;
  }
  await stopAll(running);
  await clients.check("Central, embedded", metadataAuditScript, dead, 20_000);
  expect(recoveries).toBeGreaterThan(0);
});

test("Central, over ws: coordinator and clients are killed under load, and all adds up", async () => {
  const { url, kill, restart, recoveries } = await cluster("central");
  const clients = await Clients.of(scene, { url, mayDoubt: true }, "central");
  const running = await clients.startAll();
  const dead: number[] = [];
  let reclaimed = 0;
  for (let i = 0; i < kills; i += 1) {
    await pause(200, 600);
    dead.push(await killOne(running, anyOf(running)));
    await pause(0, 200);
    await kill();
    clients.serverKills += 1;
    await pause(0, 300);
    await restart();
    reclaimed += await recoveries();
    running.push(await clients.start());
  }
  await stopAll(running);
  await clients.check("Central, over ws", metadataAuditScript, dead, 20_000);
  expect(reclaimed).toBeGreaterThan(0);
});
