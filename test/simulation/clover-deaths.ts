// A Clover store on two memory nodes in which one client dies at a chosen point (every-death.ts),
// and what must hold afterwards, whatever it was doing: what the others are told can be true, every
// buffer is live or free, a second recovery changes nothing, and the store can be written on.

import { hold, Prng } from "@pdpm/base";
import { recoveryIsIdempotent, storeBreaches } from "@pdpm/checker";
import {
  ask,
  CloverBackend,
  type Context,
  change,
  collectAll,
  giveEverythingBack,
  handBack,
  reapClient,
  Session,
} from "@pdpm/clover";
import { numberWord } from "@pdpm/layout";
import { headerWordOffset, regionHeaderBytes } from "@pdpm/layout/region-header";
import { type MetadataRequest, metadataServer } from "@pdpm/metadata-server/protocol";
import { Mortal, PowerMemory } from "@pdpm/simulator";
import {
  type CallHandler,
  ChunkMap,
  type ExtendRequest,
  nodeServer,
  type Protocol,
  Router,
  Runner,
} from "@pdpm/verbs";
import { slotOf } from "../../packages/metadata-server/src/records.ts";
import { auditStore } from "./clover-audit.ts";
import { type DeathScene, hurriedClock } from "./every-death.ts";
import { MortalService } from "./mortal-service.ts";
import { chunkBytes } from "./plan-parts.ts";
import { Telling } from "./telling.ts";

const nodeCount = 2;

/** How a store is made. */
export interface CloverDeathOptions {
  /** Chunks over both nodes, root chunk included. */
  readonly chunksMost: number;
  /** Keys that the others read and write afterwards. */
  readonly names: readonly string[];
}

/** A client. */
export class DeathClient {
  readonly id: number;
  readonly mortal: Mortal = new Mortal();
  readonly session: Session;
  readonly backend: CloverBackend;
  readonly #runner: Runner;

  constructor(world: CloverDeaths, id: number) {
    this.id = id;
    const { mortal, memories, clock, service } = world.parts(this.mortal);
    const chunks = new ChunkMap(chunkBytes);
    const nodes = memories.map((memory, number) => mortal.node(number, memory));
    const servers = new Map<string, CallHandler>([
      [metadataServer, mortal.server((request) => service.handle(request as MetadataRequest))],
    ]);
    for (const [number, node] of nodes.entries()) {
      const extend: CallHandler = (it) => node.extend((it as ExtendRequest).extend);
      servers.set(nodeServer(number), mortal.server(extend));
    }
    this.#runner = new Runner(new Router(clock, chunks, nodes, servers), clock);
    this.session = new Session({
      clientId: id,
      chunks,
      chunksMost: world.options.chunksMost,
      durability: "power",
      cursorsMost: 100,
      prng: new Prng(`client ${id}`),
      running: () => this.#runner.running(),
      wake: () => {},
    });
    this.backend = new CloverBackend(this.session, this.#runner, clock);
  }

  async run<T>(protocol: (context: Context) => Protocol<T>): Promise<T> {
    return this.backend.run("test", protocol, {});
  }
}

/** See above. */
export class CloverDeaths implements DeathScene {
  readonly options: CloverDeathOptions;
  readonly memories: readonly PowerMemory[];
  readonly service: MortalService;
  readonly telling: Telling;
  readonly #clock = hurriedClock();
  #ids: number;
  /** Who dies, and one that lives. */
  dying!: DeathClient;
  other: DeathClient | undefined;
  act: () => Promise<unknown> = async () => {};

  private constructor(
    options: CloverDeathOptions,
    memories: readonly PowerMemory[],
    from?: CloverDeaths,
    service?: MortalService,
  ) {
    this.options = options;
    this.memories = memories;
    this.telling = new Telling(from?.telling);
    this.#ids = from === undefined ? 0 : from.#ids;
    const { chunksMost } = options;
    const label = { chunkBytes, chunksMost, nodeCount };
    this.service = service ?? new MortalService(this.#clock, label, regionHeaderBytes);
  }

  /** A new store, with two clients. */
  static async build(options: CloverDeathOptions): Promise<CloverDeaths> {
    const sizeBytes = regionHeaderBytes + Math.ceil(options.chunksMost / nodeCount) * chunkBytes;
    const memories = Array.from({ length: nodeCount }, () => new PowerMemory(sizeBytes));
    const mark = new Uint8Array(new BigUint64Array([numberWord(0)]).buffer);
    memories[0]?.write(headerWordOffset.commitHighWater, mark);
    memories[0]?.flush(0, regionHeaderBytes);
    const world = new CloverDeaths(options, memories);
    world.dying = await world.client();
    world.other = await world.client();
    return world;
  }

  parts(mortal: Mortal): {
    mortal: Mortal;
    memories: readonly PowerMemory[];
    clock: ReturnType<typeof hurriedClock>;
    service: MortalService;
  } {
    return { mortal, memories: this.memories, clock: this.#clock, service: this.service };
  }

  get mortal(): Mortal {
    return this.dying.mortal;
  }

  async client(): Promise<DeathClient> {
    this.#ids += 1;
    const client = new DeathClient(this, this.#ids);
    await client.run((context) => change(context, { do: "enter", pid: client.id, kind: "pulse" }));
    await client.run((context) => client.session.table.load(context));
    return client;
  }

  put(client: DeathClient, name: string, bytes = 20, ifVersion?: number): Promise<void> {
    return this.telling.write(client.id, client.backend, name, bytes, ifVersion);
  }

  delete(client: DeathClient, name: string): Promise<void> {
    return this.telling.write(client.id, client.backend, name, undefined);
  }

  stamp(): string {
    return [...this.memories, this.service].map(({ changes }) => changes).join(" ");
  }

  async meet(writes: boolean): Promise<void> {
    this.other ??= await this.client();
    const { other, telling } = this;
    for (const name of this.options.names) await telling.get(other.id, other.backend, name);
    if (!writes) return;
    for (const [i, name] of this.options.names.entries()) {
      await this.put(other, name);
      if (i % 2 === 1) await this.delete(other, name);
      await telling.get(other.id, other.backend, name);
    }
  }

  async failed(memories: PowerMemory[]): Promise<CloverDeaths> {
    const service = await this.service.copy(this.#clock);
    return new CloverDeaths(this.options, memories, this, service);
  }

  async finish(brief = false): Promise<void> {
    await this.leave();
    const fresh = await this.client();
    const dead = (await fresh.run((context) => ask(context, { ask: "clients" })))
      .map(({ id }) => id)
      .filter((id) => id !== fresh.id);
    await this.#reap(fresh, dead);
    const before = await this.#everything(fresh);
    await this.#reap(fresh, dead);
    const after = await this.#everything(fresh);
    hold(recoveryIsIdempotent(before, after));
    await fresh.run(collectAll);
    await fresh.run((context) => handBack(context, () => true));
    await this.#readAll(fresh);
    await this.#audit(this.memories);
    if (brief) return;
    await this.#audit(this.memories.map((memory) => memory.failed(new Set())));
    for (const name of this.options.names) await this.put(fresh, name);
    await this.#readAll(fresh);
    await fresh.run(giveEverythingBack);
    await this.#audit(this.memories);
  }

  /** The client that lives goes; after it, another one may come. */
  async leave(): Promise<void> {
    const { other } = this;
    if (other === undefined) return;
    await other.run(giveEverythingBack);
    await other.run((context) => change(context, { do: "leave" }));
    this.other = undefined;
  }

  async #reap(fresh: DeathClient, dead: readonly number[]): Promise<void> {
    for (const id of dead) await fresh.run((context) => reapClient(context, id));
  }

  async #readAll(fresh: DeathClient): Promise<void> {
    for (const name of this.options.names) await this.telling.get(fresh.id, fresh.backend, name);
    this.telling.check();
  }

  async #audit(memories: readonly PowerMemory[]): Promise<void> {
    hold(storeBreaches(await auditStore({ store: this.service.store, memories })));
  }

  /** Memory and records, but for the call slots of the reaper, which keep its last replies. */
  async #everything(reaper: DeathClient): Promise<Buffer> {
    const own = slotOf(reaper.id, 0).key.slice(0, -2);
    const records = (await this.service.records()).filter(({ key }) => !key.startsWith(own));
    const parts = records.flatMap(({ key, value }) => [Buffer.from(key), value]);
    return Buffer.concat([...this.memories.map((memory) => memory.image()), ...parts]);
  }
}
