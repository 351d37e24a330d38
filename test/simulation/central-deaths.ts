// A Central store on two memory nodes whose coordinator dies at a chosen point (every-death.ts),
// and what must hold afterwards, whatever it was doing: the next one takes over, what clients are
// told can be true, every cell is live or free, a second recovery changes nothing, and the store
// can be written on.

import { assert, hold, Prng } from "@pdpm/base";
import { CentralBackend, CentralHost } from "@pdpm/central";
import { recoveryIsIdempotent, storeBreaches } from "@pdpm/checker";
import { numberWord } from "@pdpm/layout";
import { headerWordOffset, regionHeaderBytes } from "@pdpm/layout/region-header";
import { MetadataService } from "@pdpm/metadata-server";
import type { MetadataRequest } from "@pdpm/metadata-server/protocol";
import { Mortal, PowerMemory } from "@pdpm/simulator";
import { CounterTable, type Protocol } from "@pdpm/verbs";
import type { Context } from "../../packages/central/src/session.ts";
import { reapDead } from "../../packages/central/src/takeover.ts";
import { work } from "../../packages/central/src/work.ts";
import { slotOf } from "../../packages/metadata-server/src/records.ts";
import { auditStore, repairedCells } from "./central-audit.ts";
import { type DeathScene, hurriedClock } from "./every-death.ts";
import { MortalService } from "./mortal-service.ts";
import { chunkBytes } from "./plan-parts.ts";
import { Telling } from "./telling.ts";

const nodeCount = 2;
/** Longer than anything takes. */
const timeoutMs = 100_000;

/** How a store is made. */
export interface CentralDeathOptions {
  /** Chunks over both nodes, root chunk included. */
  readonly chunksMost: number;
  /** Keys that are read and written afterwards. */
  readonly names: readonly string[];
}

/** A coordinator that can die. */
interface Seat {
  readonly id: number;
  readonly mortal: Mortal;
  readonly host: CentralHost;
}

/** See above. */
export class CentralDeaths implements DeathScene {
  readonly options: CentralDeathOptions;
  readonly memories: readonly PowerMemory[];
  readonly service: MortalService;
  readonly telling: Telling;
  readonly #clock = hurriedClock();
  readonly #mortals = new Map<number, Mortal>();
  readonly #label: {
    chunkBytes: number;
    chunksMost: number;
    nodeCount: number;
    durability: "power";
  };
  #ids: number;
  #seat: Seat | undefined;
  /** Who dies. */
  mortal: Mortal = new Mortal();
  act: () => Promise<unknown> = async () => {};

  private constructor(
    options: CentralDeathOptions,
    memories: readonly PowerMemory[],
    from?: CentralDeaths,
    service?: MortalService,
  ) {
    this.options = options;
    this.memories = memories;
    this.telling = new Telling(from?.telling);
    this.#ids = from === undefined ? 0 : from.#ids;
    const { chunksMost } = options;
    this.#label = { chunkBytes, chunksMost, nodeCount, durability: "power" };
    this.service = service ?? new MortalService(this.#clock, this.#label, regionHeaderBytes);
  }

  /** A new store, with a coordinator: the one that dies, unless the scene has another. */
  static async build(options: CentralDeathOptions): Promise<CentralDeaths> {
    const sizeBytes = regionHeaderBytes + Math.ceil(options.chunksMost / nodeCount) * chunkBytes;
    const memories = Array.from({ length: nodeCount }, () => new PowerMemory(sizeBytes));
    const mark = new Uint8Array(new BigUint64Array([numberWord(0)]).buffer);
    memories[0]?.write(headerWordOffset.commitHighWater, mark);
    memories[0]?.flush(0, regionHeaderBytes);
    const world = new CentralDeaths(options, memories);
    await world.takeOver(world.mortal);
    return world;
  }

  /** Somebody comes into office; never, if `mortal` dies meanwhile. */
  async takeOver(mortal: Mortal = new Mortal()): Promise<void> {
    this.#ids += 1;
    const id = this.#ids;
    this.#mortals.set(id, mortal);
    const { service } = this;
    const host = await CentralHost.start({
      clock: this.#clock,
      prng: new Prng(`host ${id}`),
      label: this.#label,
      nodes: this.memories.map((memory, number) => mortal.node(number, memory)),
      metadata: mortal.server((request) => service.handle(request as MetadataRequest)),
      clientId: id,
      entering: { pid: id, kind: "file" },
      judge: async (judged) => this.#judge(judged),
      buried: () => {},
      deposed: () => {},
      mappingMost: 100,
      timeoutMs,
      counters: new CounterTable(),
    });
    // What it does of its own accord is what a scene tells it to do.
    host.housekeeping.end();
    this.#seat = { id, mortal, host };
  }

  /** The coordinator stops where it is. */
  kill(): void {
    this.#seat?.mortal.die();
    this.#seat = undefined;
  }

  async client(): Promise<{ id: number; backend: CentralBackend }> {
    this.#ids += 1;
    const id = this.#ids;
    const parts = {
      clock: this.#clock,
      prng: new Prng(`client ${id}`),
      coordinator: async (request: unknown) => this.#present.host.handle(request),
      clientId: id,
      counters: new CounterTable(),
      leave: async () => {},
    };
    return { id, backend: await CentralBackend.open(parts, timeoutMs) };
  }

  /** Runs a protocol as the present coordinator. */
  async run<T>(protocol: (context: Context) => Protocol<T>): Promise<T> {
    return this.#present.host.coordinator.run("test", protocol, {});
  }

  stamp(): string {
    return [...this.memories, this.service].map(({ changes }) => changes).join(" ");
  }

  async meet(writes: boolean): Promise<void> {
    await this.#succeed();
    const { telling } = this;
    const { id, backend } = await this.client();
    for (const name of this.options.names) await telling.get(id, backend, name);
    if (!writes) return;
    for (const [i, name] of this.options.names.entries()) {
      await telling.write(id, backend, name, 20);
      if (i % 2 === 1) await telling.write(id, backend, name, undefined);
      await telling.get(id, backend, name);
    }
  }

  async failed(memories: PowerMemory[]): Promise<CentralDeaths> {
    const service = await this.service.copy(this.#clock);
    const world = new CentralDeaths(this.options, memories, this, service);
    await world.#checkRepair();
    return world;
  }

  async finish(brief = false): Promise<void> {
    await this.#succeed();
    const before = await this.#everything();
    await this.run(reapDead);
    hold(recoveryIsIdempotent(before, await this.#everything()));
    await this.#clean();
    await this.#readAll();
    await this.#close();
    await this.#audit(this.memories);
    if (brief) return;
    await this.#audit(this.memories.map((memory) => memory.failed(new Set())));
    await this.#succeed();
    const { id, backend } = await this.client();
    for (const name of this.options.names) await this.telling.write(id, backend, name, 20);
    await this.#readAll();
    await this.#clean();
    await this.#close();
    await this.#audit(this.memories);
  }

  get #present(): Seat {
    assert(this.#seat !== undefined, "somebody coordinates");
    return this.#seat;
  }

  /** Whoever is dead here can post nothing any more. */
  #judge(id: number): { alive: boolean; who: string } {
    const mortal = this.#mortals.get(id);
    return { alive: mortal !== undefined && !mortal.isDead, who: `client ${id}` };
  }

  /** There is a coordinator that lives. */
  async #succeed(): Promise<void> {
    if (this.#seat?.mortal.isDead) this.#seat = undefined;
    if (this.#seat === undefined) await this.takeOver();
  }

  async #clean(): Promise<void> {
    while (await this.run(work)) {}
  }

  async #close(): Promise<void> {
    const { host, mortal } = this.#present;
    await host.close(timeoutMs);
    mortal.die();
    this.#seat = undefined;
  }

  async #readAll(): Promise<void> {
    const { id, backend } = await this.client();
    for (const name of this.options.names) await this.telling.get(id, backend, name);
    this.telling.check();
  }

  /** Should the directory be gone, a repair would be a read of every key like any other (H23). */
  async #checkRepair(): Promise<void> {
    const found = await repairedCells(this.#audited(this.memories));
    const fork = new Telling(this.telling);
    for (const name of this.options.names) {
      const cell = found.get(name as never);
      fork.sees(name, cell && { value: cell.valueBytes, version: cell.commitNumber });
    }
    fork.check();
  }

  #audited(memories: readonly PowerMemory[]): Parameters<typeof repairedCells>[0] {
    const { store } = this.service;
    const label = this.#label;
    const prng = new Prng("audit");
    const parts = { store, clock: this.#clock, prng, label, regionHeaderBytes };
    return { label, memories, service: new MetadataService(parts) };
  }

  async #audit(memories: readonly PowerMemory[]): Promise<void> {
    const { store } = this.service;
    hold(storeBreaches(await auditStore(this.#audited(memories), store)));
  }

  /** Memory and records, but for the call slots of the coordinator, which keep its last replies. */
  async #everything(): Promise<Buffer> {
    const own = slotOf(this.#present.id, 0).key.slice(0, -2);
    const records = (await this.service.records()).filter(({ key }) => !key.startsWith(own));
    const parts = records.flatMap(({ key, value }) => [Buffer.from(key), value]);
    return Buffer.concat([...this.memories.map((memory) => memory.image()), ...parts]);
  }
}
