// Clients that are killed in the middle of their work, processes by SIGKILL and worker threads by
// terminate(): the others go on, what the dead held is taken back, nothing that was acknowledged is
// lost, and in the end every cell is accounted for.

import { join } from "node:path";
import { hostNanoseconds } from "@pdpm/base";
import { checkLinearizability } from "@pdpm/checker";
import { expect, test } from "vitest";
import { startNode, urlOf } from "../support/memory-nodes.ts";
import { type Child, Scene } from "../support/processes.ts";
import {
  type Audited,
  auditScript,
  type Ended,
  inFlight,
  type Load,
  loadScript,
  processScript,
  readRecord,
} from "./hot-load.ts";

const scene = new Scene();
const clientsAtOnce = 4;

/** How the clients of one test reach their store. */
type Reach = Pick<Load, "directory" | "url" | "options" | "scale">;

/** The clients of one test and their records. */
class Clients {
  readonly #reach: Reach;
  readonly #records: string;
  readonly #zero = String(hostNanoseconds());
  #count = 0;

  private constructor(reach: Reach, records: string) {
    this.#reach = reach;
    this.#records = records;
  }

  static async of(reach: Reach): Promise<Clients> {
    return new Clients(reach, await scene.directory("memory"));
  }

  /** What the next client is told. */
  next(): Load {
    const client = this.#count;
    this.#count += 1;
    return { ...this.#reach, client, record: this.recordOf(client), zero: this.#zero };
  }

  recordOf(client: number): string {
    return join(this.#records, String(client));
  }

  async start(): Promise<{ child: Child; record: string }> {
    const given = this.next();
    const child = scene.start(processScript, { given: { ...given } });
    expect(await child.line()).toBe("ready");
    return { child, record: given.record };
  }

  /** Audits the quiet store, and checks the history of everybody. */
  async check(waitMs: number): Promise<Audited> {
    const auditor = scene.start(auditScript, { given: { ...this.next(), waitMs } });
    const audited = await auditor.line<Audited & Ended>(waitMs + 30_000);
    expect(audited.failures).toEqual([]);
    expect(audited.problems).toEqual([]);
    expect(audited.heldBy).toEqual([]);
    expect(audited.leases).toEqual([]);
    expect(audited.overflowBuckets).toBe(0);
    expect(audited.cellsUncommitted).toBe(0);
    expect(audited.cellsLive).toBe(audited.keys);
    const history = Array.from({ length: this.#count }, (_, i) => readRecord(this.recordOf(i)));
    expect(checkLinearizability(history.flat())).toMatchObject({ ok: true });
    return audited;
  }
}

/** Kills found in flight, and what the survivors say. */
interface Toll {
  readonly kills: number;
  readonly killsInFlight: number;
  readonly operationsInFlight: number;
  readonly survivors: readonly Ended[];
}

/**
 * Kills `kills` processes one by one, each replaced by a new one, and stops the rest in good order,
 * `afterMs` after the last: by then they have met its locks and found it dead.
 */
async function killProcesses(
  clients: Clients,
  kills: number,
  pauseMs: () => number,
  afterMs: number,
): Promise<Toll> {
  const running: { child: Child; record: string }[] = [];
  for (let i = 0; i < clientsAtOnce; i += 1) running.push(await clients.start());
  const cut: number[] = [];
  for (let i = 0; i < kills; i += 1) {
    await new Promise((resolve) => setTimeout(resolve, pauseMs()));
    const [victim] = running.splice(Math.floor(Math.random() * running.length), 1);
    const { child, record } = victim as { child: Child; record: string };
    await child.kill();
    cut.push(inFlight(readRecord(record)));
    running.push(await clients.start());
  }
  await new Promise((resolve) => setTimeout(resolve, afterMs));
  for (const { child } of running) child.tell("stop");
  const survivors: Ended[] = [];
  for (const { child } of running) {
    survivors.push(await child.line<Ended>(60_000));
    expect(await child.end()).toEqual({ code: 0, signal: null });
  }
  return { ...tollOf(cut), survivors };
}

function tollOf(cut: readonly number[]): Omit<Toll, "survivors"> {
  return {
    kills: cut.length,
    killsInFlight: cut.filter((count) => count > 0).length,
    operationsInFlight: cut.reduce((sum, count) => sum + count, 0),
  };
}

/** Checks and prints what the deaths did. Returns the recoveries that the survivors counted. */
function account(what: string, { survivors, ...toll }: Toll, audited: Audited): number {
  const sum = (field: "operations" | "recoveries" | "redone"): number =>
    survivors.reduce((total, ended) => total + ended[field], 0);
  const { waitedMs, heldAtFirst, keys } = audited;
  const [operations, recoveries, redone] = [sum("operations"), sum("recoveries"), sum("redone")];
  const found = { ...toll, operations, recoveries, redone, heldAtFirst, waitedMs, keys };
  console.log(`${what}:`, JSON.stringify(found));
  expect(survivors.flatMap(({ failures }) => failures)).toEqual([]);
  expect(toll.killsInFlight).toBeGreaterThanOrEqual(toll.kills * 0.3);
  return recoveries;
}

test("20 processes killed on a durable embedded store: others go on, locks are recovered, all adds up", async () => {
  const clients = await Clients.of({ directory: await scene.directory("disk") });
  const toll = await killProcesses(clients, 20, () => 100 + Math.random() * 200, 500);
  const recoveries = account("killed, on a disk", toll, await clients.check(20_000));
  expect(recoveries).toBeGreaterThan(0);
});

test("20 processes killed on an embedded store in memory: others go on, and all adds up", async () => {
  const directory = await scene.directory("memory");
  const clients = await Clients.of({ directory, scale: 20, options: { durability: "process" } });
  const toll = await killProcesses(clients, 20, () => 100 + Math.random() * 200, 500);
  account("killed, in memory", toll, await clients.check(20_000));
});

test("6 processes killed that reach two memory nodes over ws: locks are recovered, and all adds up", async () => {
  const hosts: string[] = [];
  for (let i = 0; i < 2; i += 1) {
    hosts.push((await startNode(scene, await scene.directory("memory"))).host);
  }
  const clients = await Clients.of({ url: urlOf(...hosts), options: { transport: "ws" } });
  const toll = await killProcesses(clients, 6, () => 1000 + Math.random() * 1000, 4000);
  const recoveries = account("killed, over ws", toll, await clients.check(40_000));
  expect(recoveries).toBeGreaterThan(0);
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

test("10 worker threads terminated: the other threads go on, and all adds up", async () => {
  const clients = await Clients.of({ directory: await scene.directory("disk") });
  const source = `
    import { parentPort, workerData } from "node:worker_threads";
    ${loadScript}
    const stopping = { now: false };
    parentPort.on("message", () => { stopping.now = true; });
    await hotLoad(workerData, (what) => parentPort.postMessage(what), stopping);
    parentPort.close();
  `;
  const loads = Array.from({ length: clientsAtOnce + 10 }, () => clients.next());
  const host = scene.start(hostScript, { given: { source, loads, atOnce: clientsAtOnce } });
  const said = await host.line<{ terminated: number[]; ended: Ended[] }>(60_000);
  expect(said).not.toHaveProperty("failed");
  expect(said.ended.length).toBe(clientsAtOnce);
  expect(await host.end()).toEqual({ code: 0, signal: null });
  const cut = said.terminated.map((client) => inFlight(readRecord(clients.recordOf(client))));
  const toll = { ...tollOf(cut), survivors: said.ended };
  const recoveries = account("terminated", toll, await clients.check(20_000));
  expect(recoveries).toBeGreaterThan(0);
});
