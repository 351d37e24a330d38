// A crowd of clients of one store under load, some of whom are killed, their records, and the check
// at the end: an audit of the quiet store, and of the history of everybody, the dead ones' to their
// ends.

import { join } from "node:path";
import { hold, hostNanoseconds } from "@pdpm/base";
import {
  checkLinearizability,
  historyBreaches,
  type Operation,
  recoveryIsInTime,
  storeBreaches,
} from "@pdpm/checker";
import { expect } from "vitest";
import { beginNote, type Transport, type WriteNote } from "../simulation/evidence/note.ts";
import type { Design } from "../simulation/plants/plant.ts";
import type { Child, Scene } from "../support/processes.ts";
import { type Audited, type Ended, type Load, processScript, readRecord } from "./hot-load.ts";

/** Clients at work at any time. */
export const clientsAtOnce = 4;

/** How the clients of one test reach their store. */
export type Reach = Pick<Load, "directory" | "url" | "options" | "scale" | "restMs" | "mayDoubt">;

/** A process of the load, and its client's number. */
export interface Running {
  readonly child: Child;
  readonly client: number;
}

/** The clients of one test and their records. */
export class Clients {
  readonly #scene: Scene;
  readonly #reach: Reach;
  readonly #records: string;
  readonly #zero = String(hostNanoseconds());
  readonly #note: WriteNote;
  /** Loaded, and waiting to be told to open the store. */
  readonly #spares: Running[] = [];
  /** Whoever may have a record. */
  readonly #started: number[] = [];
  #count = 0;
  /** Of the store, by the test. */
  serverKills = 0;

  private constructor(scene: Scene, reach: Reach, design: Design, records: string) {
    this.#scene = scene;
    this.#reach = reach;
    this.#records = records;
    const transport = reach.options?.["transport"] ?? "auto";
    const way = reach.url === undefined ? "mapped" : (transport as Transport);
    this.#note = beginNote("kills", design, way, expect.getState().currentTestName ?? "");
  }

  static async of(scene: Scene, reach: Reach, design: Design): Promise<Clients> {
    return new Clients(scene, reach, design, await scene.directory("memory"));
  }

  /** What the next client is told. */
  #next(): Load {
    const client = this.#count;
    this.#count += 1;
    return { ...this.#reach, client, record: this.#recordOf(client), zero: this.#zero };
  }

  /** The same for a client that the caller starts. */
  nextStarted(): Load {
    const given = this.#next();
    this.#started.push(given.client);
    return given;
  }

  #recordOf(client: number): string {
    return join(this.#records, String(client));
  }

  /** Starts one client, and loads the next one meanwhile: that takes longer than to open. */
  async start(): Promise<Running> {
    const { child, client } = this.#spares.shift() ?? this.#load();
    this.#spares.push(this.#load());
    this.#started.push(client);
    child.tell("open");
    expect(await child.line()).toBe("ready");
    return { child, client };
  }

  /** Starts as many clients as are at work at any time. */
  startAll(): Promise<Running[]> {
    return Promise.all(Array.from({ length: clientsAtOnce }, () => this.start()));
  }

  #load(): Running {
    const given = this.#next();
    return {
      child: this.#scene.start(processScript, { given: { ...given } }),
      client: given.client,
    };
  }

  /**
   * Audits the quiet store and checks the history of everybody, the dead ones' to their ends, when
   * the clients `dead` were killed. Prints what their deaths did and returns the recoveries.
   */
  async check(
    what: string,
    auditScript: string,
    dead: readonly number[],
    waitMs: number,
  ): Promise<number> {
    const last = this.#next();
    const auditor = this.#scene.start(auditScript, { given: { ...last, waitMs } });
    const audited = await auditor.line<Audited & Ended>(waitMs + 30_000);
    expect(audited.failures).toEqual([]);
    hold(storeBreaches(audited), recoveryIsInTime(what, audited.waitedMs, waitMs));
    expect(audited.cellsOfIndex).toBe(0);
    const clients = [...this.#started, last.client];
    const records = new Map(clients.map((client) => [client, readRecord(this.#recordOf(client))]));
    const all = [...records.values()];
    const history = all.flatMap(({ operations }) => operations);
    const isFailure = ({ op, end, outcome }: Operation): boolean => {
      if (end === null || outcome === "ok" || outcome === "conflict") return false;
      return !(this.#reach.mayDoubt === true && op !== "get" && outcome === "unknown");
    };
    expect(history.filter(isFailure)).toEqual([]);
    hold(historyBreaches(checkLinearizability(history)));
    const inFlight = dead.map((client) => records.get(client)?.inFlight ?? 0);
    const killsInFlight = inFlight.filter((count) => count > 0).length;
    const sum = (counts: readonly number[]): number => counts.reduce((total, n) => total + n, 0);
    const recoveries = sum(all.map((record) => record.recoveries));
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
    this.#note({
      "clients killed": dead.length,
      "clients killed in an operation": killsInFlight,
      "servers killed": this.serverKills,
      operations: history.length,
      "recoveries by clients": recoveries,
    });
    return recoveries;
  }
}

/**
 * Kills `kills` processes one by one, each replaced by a new one, and stops the rest in good order,
 * `afterMs` after the last: by then they have met its locks and found it dead. Returns who was
 * killed.
 */
export async function killProcesses(
  clients: Clients,
  kills: number,
  pauseMs: () => number,
  afterMs: number,
): Promise<readonly number[]> {
  const running = await clients.startAll();
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
  await stopAll(running);
  return dead;
}

/** Ends clients in good order. */
export async function stopAll(running: readonly Running[]): Promise<void> {
  for (const { child } of running) child.tell("stop");
  for (const { child } of running) {
    expect((await child.line<Ended>(60_000)).failures).toEqual([]);
    expect(await child.end()).toEqual({ code: 0, signal: null });
  }
}
