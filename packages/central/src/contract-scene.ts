// What the tests of Central work with: a store over array memory and the real metadata service over
// a store in memory; coordinators that are killed in the middle of anything; and an audit of what
// must hold whenever nothing is under way.

import { assert, PdpmError, Prng, systemClock } from "@pdpm/base";
import { type Found, toKey } from "@pdpm/kv";
import { type Address, chunkOf, offsetOf } from "@pdpm/layout";
import { regionHeaderBytes } from "@pdpm/layout/region-header";
import { MemoryStore, type MemoryStoreFaults, MetadataService } from "@pdpm/metadata-server";
import type {
  Change,
  ChunkTableReply,
  LookupReply,
  MetadataRequest,
  ReplyOf,
} from "@pdpm/metadata-server/protocol";
import {
  ArrayMemory,
  type CallHandler,
  CounterTable,
  type NodeFabric,
  type Replies,
  type Round,
  Verb,
} from "@pdpm/verbs";
import { ArrayFabric } from "@pdpm/verbs/array-fabric";
import { change } from "./calls.ts";
import { CentralBackend } from "./central-backend.ts";
import { CentralHost } from "./central-host.ts";
import type { Context } from "./session.ts";

/** A node or the service, as one coordinator reaches it, is asked for something. */
export type Hook = (what: { readonly round?: Round; readonly request?: unknown }) => unknown;

/** How a world is made. */
export interface WorldOptions {
  readonly seed?: string;
  readonly chunkBytes?: number;
  readonly chunksMost?: number;
  readonly nodeCount?: number;
  readonly mappingMost?: number;
  readonly faults?: MemoryStoreFaults;
  /** @defaultValue "power" */
  readonly durability?: "power" | "process";
}

/** What it takes for a coordinator to be killed at some step, and how. */
interface Fate {
  isDead: boolean;
  /** The others take it for dead, and it does not know. */
  isIsolated: boolean;
  isFenced: boolean;
  /** Steps (rounds at a node, calls of the service) until it dies; Infinity: not planned. */
  stepsLeft: number;
  readonly died: Promise<void>;
  die(): void;
}

const never = new Promise<never>(() => {});

/** A store, and whoever coordinates it. */
export class World {
  readonly prng: Prng;
  readonly label: {
    readonly chunkBytes: number;
    readonly chunksMost: number;
    readonly nodeCount: number;
    readonly durability: "power" | "process";
  };
  readonly memories: readonly ArrayMemory[];
  readonly service: MetadataService;
  readonly fates: Map<number, Fate> = new Map<number, Fate>();
  readonly buried: number[] = [];
  readonly deposed: number[] = [];
  readonly #options: WorldOptions;
  #ids = 0;
  host: CentralHost | undefined;
  /** Called before every round and call of a coordinator; what it returns is waited for. */
  hook: Hook | undefined;
  /** Called after every request to the service, before its answer is heard. */
  replyHook: Hook | undefined;
  /** In place of `ask`, for clients. */
  way: ((request: unknown) => Promise<unknown>) | undefined;
  /**
   * Rounds from the first one on that it chooses fail: the connection is broken until it is mended.
   */
  failure: ((what: { readonly round: Round }) => boolean) | undefined;
  /** Whether the first of them is applied all the same. */
  failsAfter = false;
  #isBroken = false;

  constructor(options: WorldOptions = {}) {
    const { chunkBytes = 2 ** 16, chunksMost = 40, nodeCount = 2 } = options;
    this.#options = options;
    this.prng = new Prng(options.seed ?? "world");
    const { durability = "power" } = options;
    this.label = { chunkBytes, chunksMost, nodeCount, durability };
    const most = regionHeaderBytes + (chunksMost + 1) * chunkBytes;
    this.memories = Array.from(
      { length: nodeCount },
      () => new ArrayMemory(most, regionHeaderBytes + chunkBytes),
    );
    this.service = new MetadataService({
      store: new MemoryStore(options.faults),
      clock: systemClock,
      prng: this.prng.fork("service"),
      label: this.label,
      regionHeaderBytes,
    });
  }

  /** The next coordinator takes over. */
  async start(): Promise<CentralHost> {
    const host = await this.tryStart(Number.POSITIVE_INFINITY);
    assert(host !== undefined, "it lives");
    return host;
  }

  /**
   * The next coordinator takes over; undefined when that one dies meanwhile, after so many steps
   * (rounds at a node, calls of the service).
   */
  async tryStart(dieAfter: number): Promise<CentralHost | undefined> {
    this.#ids += 1;
    const clientId = this.#ids;
    const fate = makeFate(dieAfter);
    this.fates.set(clientId, fate);
    const starting = CentralHost.start({
      clock: systemClock,
      prng: this.prng.fork(`host ${clientId}`),
      label: this.label,
      nodes: this.memories.map((memory) => this.#node(memory, fate)),
      metadata: this.#metadata(fate),
      clientId,
      entering: { pid: clientId, kind: "file" },
      judge: async (id) => this.#judge(id),
      buried: (id) => void this.buried.push(id),
      deposed: () => void this.deposed.push(clientId),
      mappingMost: this.#options.mappingMost ?? 1000,
      timeoutMs: 5000,
      counters: new CounterTable(),
    });
    // One that could not start posts nothing any more; one that is killed meanwhile never gets on.
    starting.catch(() => fate.die());
    const host = await Promise.race([starting, fate.died]);
    this.host = host ?? undefined;
    return this.host;
  }

  /** The present coordinator dies after so many more steps. Settles when it is dead. */
  async dieAfter(steps: number): Promise<void> {
    const fate = this.#fate();
    if (fate === undefined) return;
    fate.stepsLeft = steps;
    await fate.died;
    this.host = undefined;
  }

  /** The present coordinator lives on, if it still lives. */
  spare(): void {
    const fate = this.#fate();
    if (fate !== undefined) fate.stepsLeft = Number.POSITIVE_INFINITY;
    if (fate?.isDead) this.host = undefined;
  }

  /** From now on the others take the present coordinator for dead. It does not know. */
  isolate(): void {
    const fate = this.#fate();
    if (fate !== undefined) fate.isIsolated = true;
    this.host = undefined;
  }

  #fate(): Fate | undefined {
    return this.fates.get(this.host?.coordinator.session.clientId ?? 0);
  }

  /** The present coordinator posts nothing any more. */
  kill(): void {
    this.#fate()?.die();
    this.host = undefined;
  }

  /** A client of whoever coordinates. */
  async client(more: { readonly silent?: () => string | undefined } = {}): Promise<CentralBackend> {
    this.#ids += 1;
    const clientId = this.#ids;
    const parts = {
      clock: systemClock,
      prng: this.prng.fork(`client ${clientId}`),
      coordinator: (request: unknown) => (this.way ?? ((it) => this.ask(it)))(request),
      clientId,
      counters: new CounterTable(),
      leave: async () => {},
      ...more,
    };
    return CentralBackend.open(parts, 5000);
  }

  /** A request to the present coordinator; lost when it dies. */
  async ask(request: unknown): Promise<unknown> {
    const { host } = this;
    const fate = this.#fate();
    if (host === undefined || fate === undefined || fate.isDead) throw lost("not-applied");
    const death = fate.died.then(() => Promise.reject(lost("unknown")));
    return Promise.race([host.handle(request), death]);
  }

  /** Runs a protocol as the present coordinator. */
  async run<T>(protocol: (context: Context) => Generator<Round, T, Replies>): Promise<T> {
    assert(this.host !== undefined, "somebody coordinates");
    return this.host.coordinator.run("test", protocol, {});
  }

  async get(client: CentralBackend, name: string): Promise<string | undefined> {
    const found: Found | undefined = await client.get(toKey(name), {});
    return found && Buffer.from(found.value).toString();
  }

  put(client: CentralBackend, name: string, value: string): Promise<number> {
    return client.put(toKey(name), Buffer.from(value), undefined, {});
  }

  lookup(name: string): Promise<LookupReply> {
    return this.service.handle({ ask: "lookup", key: Buffer.from(name) });
  }

  /** A change that the present coordinator asks for. */
  change<const C extends Change>(wanted: C): Promise<ReplyOf[C["do"]]> {
    return this.run((context) => change(context, wanted));
  }

  /** Another client of the service, which asks for changes one after the other. */
  stranger(): <const C extends Change>(change: C) => Promise<ReplyOf[C["do"]]> {
    this.#ids += 1;
    const client = this.#ids;
    let sequence = 0;
    return async (change) => {
      sequence += 1;
      const ticket = { client, slot: 0, sequence };
      return (await this.service.handle({ ticket, change })) as never;
    };
  }

  async close(): Promise<void> {
    await this.host?.close(5000);
    this.host = undefined;
  }

  #judge(id: number): { alive: boolean; who: string } {
    const fate = this.fates.get(id);
    if (fate === undefined) return { alive: false, who: "nobody" };
    // Whoever is judged dead is fenced, and posts nothing from here on.
    const alive = !fate.isDead && !fate.isIsolated;
    if (!alive) fate.isFenced = true;
    return { alive, who: `pid ${id}` };
  }

  #node(memory: ArrayMemory, fate: Fate): NodeFabric {
    const array = new ArrayFabric(memory);
    return {
      post: async (round): Promise<Replies> => {
        await this.hook?.({ round });
        if (fate.isFenced) return round.map(() => new PdpmError("PDPM_FENCED", "fenced"));
        if (fate.isDead) return never;
        if (this.#breaks(round)) {
          if (this.failsAfter) await array.post(round);
          this.failsAfter = false;
          return round.map(
            () => new PdpmError("PDPM_UNAVAILABLE", "broken", { outcome: "unknown" }),
          );
        }
        if (fate.stepsLeft > 0) {
          fate.stepsLeft -= 1;
          return await array.post(round);
        }
        // Killed in the middle of it: a part was applied, torn at a word.
        const part = round.slice(0, this.prng.below(round.length + 1));
        if (part.length > 0) await array.post(part);
        const next = round[part.length];
        if (next?.verb === Verb.write && next.bytes > 8) {
          const bytes = 8 * this.prng.below(next.bytes / 8);
          if (bytes > 0) memory.write(next.offset, (next.data as Uint8Array).subarray(0, bytes));
        }
        fate.die();
        return never;
      },
      extend: (sizeBytes) => array.extend(sizeBytes),
      close: () => array.close(),
    };
  }

  #breaks(round: Round): boolean {
    if (this.failure === undefined) this.#isBroken = false;
    else if (this.failure({ round })) this.#isBroken = true;
    return this.#isBroken;
  }

  #metadata(fate: Fate): CallHandler {
    return async (request) => {
      await this.hook?.({ request });
      if (fate.isDead) return never;
      const isLast = fate.stepsLeft === 0;
      if (!isLast) fate.stepsLeft -= 1;
      // Killed before it was done, or before its answer came.
      if (isLast && this.prng.chance(0.5)) {
        fate.die();
        return never;
      }
      const reply = await this.service.handle(request as MetadataRequest);
      await this.replyHook?.({ request });
      if (isLast) fate.die();
      return fate.isDead ? never : reply;
    };
  }
}

/** What a request to the service changes; undefined for a question. */
export function changeIn(request: unknown): Change["do"] | undefined {
  return (request as { readonly change?: Change } | undefined)?.change?.do;
}

/** Something that waits until it is told to go on. */
export class Pause {
  readonly reached: Promise<void>;
  readonly #ended: Promise<void>;
  #tellReached: () => void = () => {};
  end: () => void = () => {};

  constructor() {
    this.reached = new Promise((resolve) => {
      this.#tellReached = resolve;
    });
    this.#ended = new Promise((resolve) => {
      this.end = resolve;
    });
  }

  at(): Promise<void> {
    this.#tellReached();
    return this.#ended;
  }
}

/** Where an address stands. */
export async function placeOf(
  world: World,
  address: Address,
): Promise<{ readonly memory: ArrayMemory; readonly offset: number }> {
  const { chunks }: ChunkTableReply = await world.service.handle({ ask: "table" });
  const entry = chunks.find(({ chunk }) => chunk === chunkOf(address));
  const memory = world.memories[entry?.node ?? -1];
  if (entry === undefined || memory === undefined) throw new Error(`nothing carries ${address}`);
  const start = regionHeaderBytes + entry.place * world.label.chunkBytes;
  return { memory, offset: start + offsetOf(address) };
}

function makeFate(stepsLeft: number): Fate {
  let tell: () => void = () => {};
  const died = new Promise<void>((resolve) => {
    tell = resolve;
  });
  const fate: Fate = {
    isDead: false,
    isIsolated: false,
    isFenced: false,
    stepsLeft,
    died,
    die: () => {
      fate.isDead = true;
      tell();
    },
  };
  return fate;
}

function lost(outcome: "not-applied" | "unknown"): PdpmError {
  return new PdpmError("PDPM_UNAVAILABLE", "there is no coordinator", { outcome });
}
