// A Direct store on two memory nodes in which one client dies at a chosen point (every-death.ts),
// and what must hold afterwards, whatever it was doing: what the others are told can be true, every
// cell is live or free, a second recovery changes nothing, and the store can be written on.

import { assert, type Clock, hold, Prng } from "@pdpm/base";
import { recoveryIsIdempotent, storeBreaches } from "@pdpm/checker";
import {
  auditStore,
  type Context,
  DirectBackend,
  type ExtendRequest,
  enterTable,
  freeLease,
  type JudgeRequest,
  membersServer,
  nodeServer,
  readLeases,
  Session,
  takeLease,
} from "@pdpm/direct";
import type { Address } from "@pdpm/layout";
import { regionHeaderBytes } from "@pdpm/layout/region-header";
import { Mortal, PowerMemory } from "@pdpm/simulator";
import { type CallHandler, ChunkMap, type Protocol, Router, Runner } from "@pdpm/verbs";
import { accountOf } from "./direct-account.ts";
import { reap } from "./direct-identity.ts";
import { chunkBytes } from "./direct-keys.ts";
import { type DeathScene, hurriedClock } from "./every-death.ts";
import { Telling } from "./telling.ts";

const nodeCount = 2;

/** How a store is made. */
export interface DirectDeathOptions {
  /** Chunks over both nodes, root chunk included. */
  readonly chunksMost: number;
  /** Keys that the others read and write afterwards. */
  readonly names: readonly string[];
  /** Bytes of what they write. @defaultValue 20 */
  readonly bytes?: number;
}

/** A client. */
export class DeathClient {
  readonly id: number;
  readonly mortal: Mortal = new Mortal();
  readonly session: Session;
  readonly backend: DirectBackend;
  lease: Address = -1;
  readonly #runner: Runner;

  constructor(world: DirectDeaths, id: number, clock: Clock) {
    this.id = id;
    const { mortal } = this;
    const chunks = new ChunkMap(chunkBytes);
    const nodes = world.memories.map((memory, number) => mortal.node(number, memory));
    const servers = new Map<string, CallHandler>([
      [membersServer, mortal.server(async (it) => world.judge((it as JudgeRequest).judge))],
    ]);
    for (const [number, node] of nodes.entries()) {
      const extend: CallHandler = (it) => node.extend((it as ExtendRequest).extend);
      servers.set(nodeServer(number), mortal.server(extend));
    }
    this.#runner = new Runner(new Router(clock, chunks, nodes, servers), clock);
    this.session = new Session({
      clientId: id,
      chunks,
      nodeCount,
      chunksMost: world.options.chunksMost,
      durability: "power",
      cursorsMost: 100,
      prng: new Prng(`client ${id}`),
      running: () => this.#runner.running(),
    });
    this.backend = new DirectBackend(this.session, this.#runner, clock);
  }

  async run<T>(protocol: (context: Context) => Protocol<T>): Promise<T> {
    return this.backend.run("test", protocol, {});
  }

  /** Enters the store, in the order of packages/client/src/direct-client.ts. */
  async enter(): Promise<void> {
    const { session } = this;
    await this.run(() => enterTable(session));
    this.lease = await this.run(() => takeLease(session, 1, 2));
  }

  async leave(): Promise<void> {
    await this.backend.settleDoubts({});
    assert(this.session.held.size === 0, `client ${this.id} still holds something`);
    await this.run(() => freeLease(this.session, this.lease, this.id, "live"));
    this.mortal.die();
  }
}

/** See above. */
export class DirectDeaths implements DeathScene {
  readonly options: DirectDeathOptions;
  readonly memories: readonly PowerMemory[];
  readonly telling: Telling;
  readonly #clock = hurriedClock();
  readonly #clients = new Map<number, DeathClient>();
  readonly #isAfterFailure: boolean;
  #ids: number;
  /** Who dies, and one that lives. */
  dying!: DeathClient;
  other: DeathClient | undefined;
  act: () => Promise<unknown> = async () => {};

  private constructor(
    options: DirectDeathOptions,
    memories: readonly PowerMemory[],
    from?: DirectDeaths,
  ) {
    this.options = options;
    this.memories = memories;
    this.telling = new Telling(from?.telling);
    this.#ids = from === undefined ? 0 : from.#ids;
    this.#isAfterFailure = from !== undefined;
  }

  /** A new store, with two clients. */
  static async build(options: DirectDeathOptions): Promise<DirectDeaths> {
    const sizeBytes = regionHeaderBytes + Math.ceil(options.chunksMost / nodeCount) * chunkBytes;
    const memories = Array.from({ length: nodeCount }, () => new PowerMemory(sizeBytes));
    const world = new DirectDeaths(options, memories);
    world.dying = await world.client();
    world.other = await world.client();
    return world;
  }

  get mortal(): Mortal {
    return this.dying.mortal;
  }

  async client(): Promise<DeathClient> {
    this.#ids += 1;
    const client = new DeathClient(this, this.#ids, this.#clock);
    this.#clients.set(client.id, client);
    await client.enter();
    return client;
  }

  /** Whoever is dead here can post nothing any more. */
  judge(id: number): { alive: boolean; who: string } {
    const client = this.#clients.get(id);
    return { alive: client !== undefined && !client.mortal.isDead, who: `client ${id}` };
  }

  put(client: DeathClient, name: string, bytes = 20, ifVersion?: number): Promise<void> {
    return this.telling.write(client.id, client.backend, name, bytes, ifVersion);
  }

  delete(client: DeathClient, name: string): Promise<void> {
    return this.telling.write(client.id, client.backend, name, undefined);
  }

  /** Another client dies in this round of a put, this much of it done. Returns its id. */
  async dieUpdating(name: string, round: number, kept: readonly number[]): Promise<number> {
    const client = await this.client();
    const { mortal } = client;
    await this.telling.get(client.id, client.backend, name);
    mortal.arm({ round, kept });
    const ended = this.put(client, name).then(() => true);
    assert(!(await Promise.race([ended, mortal.died.then(() => false)])), "it dies");
    return client.id;
  }

  stamp(): string {
    return this.memories.map(({ changes }) => changes).join(" ");
  }

  async meet(writes: boolean): Promise<void> {
    this.other ??= await this.client();
    const { other, telling } = this;
    for (const name of this.options.names) await telling.get(other.id, other.backend, name);
    if (!writes) return;
    for (const [i, name] of this.options.names.entries()) {
      await this.put(other, name, this.options.bytes);
      if (i % 2 === 1) await this.delete(other, name);
      await telling.get(other.id, other.backend, name);
    }
  }

  async failed(memories: PowerMemory[]): Promise<DirectDeaths> {
    return new DirectDeaths(this.options, memories, this);
  }

  async finish(brief = false): Promise<void> {
    await this.other?.leave();
    this.dying?.mortal.die();
    const fresh = await this.client();
    const dead = await this.#reapAll(fresh, brief);
    if (brief) {
      await this.#readAll(fresh);
      return this.#audit(fresh);
    }
    const before = this.memories.map((memory) => memory.image());
    for (const id of dead) await fresh.run((context) => reap(context, id));
    for (const [i, memory] of this.memories.entries()) {
      hold(recoveryIsIdempotent(before[i] as Uint8Array, memory.image()));
    }
    await this.#readAll(fresh);
    const leases = await fresh.run(({ session }) => readLeases(session));
    const others = leases.map(({ clientId }) => clientId).filter((id) => id !== fresh.id);
    await this.#audit(fresh, others);
    if (!this.#isAfterFailure) await this.#powerFails();
    for (const name of this.options.names) await this.put(fresh, name);
    await this.#readAll(fresh);
    await this.#audit(fresh);
  }

  /**
   * Takes back what everybody held who is gone and did not leave; after a power failure, who holds
   * anything, for the last words of one that left may be lost. Returns who that was.
   */
  async #reapAll(fresh: DeathClient, brief: boolean): Promise<readonly number[]> {
    const leases = await fresh.run(({ session }) => readLeases(session));
    const dead = new Set(brief ? [] : leases.map(({ clientId }) => clientId));
    if (brief || this.#isAfterFailure) {
      const { heldBy } = await fresh.run(auditStore);
      for (const id of heldBy.keys()) dead.add(id);
    }
    dead.delete(fresh.id);
    for (const id of dead) {
      assert(await fresh.run((context) => reap(context, id)), `client ${id} is dead`);
    }
    return [...dead];
  }

  async #readAll(fresh: DeathClient): Promise<void> {
    for (const name of this.options.names) await this.telling.get(fresh.id, fresh.backend, name);
    this.telling.check();
  }

  async #audit(client: DeathClient, clientsLeft: readonly number[] = []): Promise<void> {
    hold(storeBreaches(accountOf(await client.run(auditStore), clientsLeft)));
  }

  /** What was acknowledged and recovered stands there when nothing else does. */
  async #powerFails(): Promise<void> {
    const memories = this.memories.map((memory) => memory.failed(new Set()));
    const after = new DirectDeaths(this.options, memories, this);
    const next = await after.client();
    await after.#reapAll(next, true);
    await after.#readAll(next);
    await after.#audit(next);
  }
}
