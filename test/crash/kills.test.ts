// Clients that are killed in the middle of their work, processes by SIGKILL and worker threads by
// terminate(): the others go on, what the dead held is taken back, nothing that was acknowledged is
// lost, and in the end every cell is accounted for.

import { join } from "node:path";
import { hostNanoseconds } from "@pdpm/base";
import { checkLinearizability, type Operation } from "@pdpm/checker";
import { expect, test } from "vitest";
import { startNode, urlOf } from "../support/memory-nodes.ts";
import { type Child, Scene } from "../support/processes.ts";
import {
  type Audited,
  auditScript,
  type Ended,
  type Load,
  loadScript,
  processScript,
  readRecord,
} from "./hot-load.ts";

const scene = new Scene();
const clientsAtOnce = 4;

/** How the clients of one test reach their store. */
type Reach = Pick<Load, "directory" | "url" | "options" | "scale">;

/** A process of the load, and its client's number. */
interface Running {
  readonly child: Child;
  readonly client: number;
}

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

  async start(): Promise<Running> {
    const given = this.next();
    const child = scene.start(processScript, { given: { ...given } });
    expect(await child.line()).toBe("ready");
    return { child, client: given.client };
  }

  /**
   * Audits the quiet store and checks the history of everybody, the dead ones' to their ends, when
   * the clients `dead` were killed. Prints what their deaths did and returns the recoveries.
   */
  async check(what: string, dead: readonly number[], waitMs: number): Promise<number> {
    const auditor = scene.start(auditScript, { given: { ...this.next(), waitMs } });
    const audited = await auditor.line<Audited & Ended>(waitMs + 30_000);
    expect(audited.failures).toEqual([]);
    expect(audited.problems).toEqual([]);
    expect(audited.heldBy).toEqual([]);
    expect(audited.leases).toEqual([]);
    expect(audited.overflowBuckets).toBe(0);
    expect(audited.cellsUncommitted).toBe(0);
    expect(audited.cellsLive).toBe(audited.keys);
    const records = Array.from({ length: this.#count }, (_, i) => readRecord(this.recordOf(i)));
    const history = records.flatMap(({ operations }) => operations);
    const isFailure = ({ end, outcome }: Operation): boolean =>
      end !== null && outcome !== "ok" && outcome !== "conflict";
    expect(history.filter(isFailure)).toEqual([]);
    expect(checkLinearizability(history)).toMatchObject({ ok: true });
    const inFlight = dead.map((client) => records[client]?.inFlight ?? 0);
    const killsInFlight = inFlight.filter((count) => count > 0).length;
    const sum = (counts: readonly number[]): number => counts.reduce((total, n) => total + n, 0);
    const recoveries = sum(records.map((record) => record.recoveries));
    const { waitedMs, heldAtFirst, keys } = audited;
    const found = {
      kills: dead.length,
      killsInFlight,
      operationsInFlight: sum(inFlight),
      operations: history.length,
      recoveries,
      heldAtFirst,
      waitedMs,
      keys,
    };
    console.log(`${what}:`, JSON.stringify(found));
    expect(killsInFlight).toBeGreaterThanOrEqual(dead.length * 0.3);
    return recoveries;
  }
}

/**
 * Kills `kills` processes one by one, each replaced by a new one, and stops the rest in good order,
 * `afterMs` after the last: by then they have met its locks and found it dead. Returns who was
 * killed.
 */
async function killProcesses(
  clients: Clients,
  kills: number,
  pauseMs: () => number,
  afterMs: number,
): Promise<readonly number[]> {
  const running: Running[] = [];
  for (let i = 0; i < clientsAtOnce; i += 1) running.push(await clients.start());
  const dead: number[] = [];
  for (let i = 0; i < kills; i += 1) {
    await new Promise((resolve) => setTimeout(resolve, pauseMs()));
    const [victim] = running.splice(Math.floor(Math.random() * running.length), 1);
    const { child, client } = victim as Running;
    await child.kill();
    dead.push(client);
    running.push(await clients.start());
  }
  await new Promise((resolve) => setTimeout(resolve, afterMs));
  for (const { child } of running) child.tell("stop");
  for (const { child } of running) {
    expect((await child.line<Ended>(60_000)).failures).toEqual([]);
    expect(await child.end()).toEqual({ code: 0, signal: null });
  }
  return dead;
}

test("20 processes killed on a durable embedded store: others go on, locks are recovered, all adds up", async () => {
  const clients = await Clients.of({ directory: await scene.directory("disk") });
  const dead = await killProcesses(clients, 20, () => 100 + Math.random() * 200, 500);
  expect(await clients.check("killed, on a disk", dead, 20_000)).toBeGreaterThan(0);
});

test("20 processes killed on an embedded store in memory: others go on, locks are recovered, all adds up", async () => {
  const directory = await scene.directory("memory");
  const clients = await Clients.of({ directory, scale: 20, options: { durability: "process" } });
  const dead = await killProcesses(clients, 20, () => 100 + Math.random() * 200, 500);
  expect(await clients.check("killed, in memory", dead, 20_000)).toBeGreaterThan(0);
});

test("6 processes killed that reach two memory nodes over ws: locks are recovered, and all adds up", async () => {
  const hosts: string[] = [];
  for (let i = 0; i < 2; i += 1) {
    hosts.push((await startNode(scene, await scene.directory("memory"))).host);
  }
  const clients = await Clients.of({ url: urlOf(...hosts), options: { transport: "ws" } });
  const dead = await killProcesses(clients, 6, () => 1000 + Math.random() * 1000, 4000);
  expect(await clients.check("killed, over ws", dead, 40_000)).toBeGreaterThan(0);
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
  expect(said.ended.flatMap(({ failures }) => failures)).toEqual([]);
  expect(await host.end()).toEqual({ code: 0, signal: null });
  expect(await clients.check("terminated", said.terminated, 20_000)).toBeGreaterThan(0);
});
