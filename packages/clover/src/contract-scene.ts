// What the tests of this package work with: a store over array memory and the real metadata
// service, clients in one process, protocols that stop at any round like a client that dies, and
// the books balanced against what the chains say. Pauses end at once: a wait is a turn of the event
// loop.

import { assert, type Clock, type PdpmError, Prng, systemClock } from "@pdpm/base";
import { type Key, keyBytes, toKey, WriteBatch, WriteRequest } from "@pdpm/kv";
import {
  type Address,
  bufferFields,
  chunkOf,
  numberWord,
  offsetOf,
  type Pointer,
  wordAt,
} from "@pdpm/layout";
import { headerWordOffset, regionHeaderBytes } from "@pdpm/layout/region-header";
import { MemoryStore, MetadataService } from "@pdpm/metadata-server";
import {
  type Change,
  type ChunkSpace,
  type ClientRecord,
  type MetadataRequest,
  metadataServer,
  type SpanPart,
} from "@pdpm/metadata-server/protocol";
import {
  ArrayMemory,
  type CallHandler,
  ChunkMap,
  type ExtendRequest,
  nodeServer,
  type Operation,
  type Protocol,
  type Replies,
  type Round,
  Router,
  Runner,
} from "@pdpm/verbs";
import { ArrayFabric } from "@pdpm/verbs/array-fabric";
import { change } from "./calls.ts";
import { CloverBackend } from "./clover-backend.ts";
import { pulse } from "./pulse.ts";
import { type Context, Session } from "./session.ts";
import { findHeads, walkChains } from "./walk-chains.ts";
import { writeKey } from "./write-path.ts";

export const chunkBytes: number = 2 ** 18;

/** Time that passes when somebody waits for it. */
const hurried: Clock = {
  now: () => systemClock.now(),
  after(_ms, then) {
    const immediate = setImmediate(then);
    return () => clearImmediate(immediate);
  },
};

/** A client, and how to play its rounds by hand. */
export class Client {
  readonly backend: CloverBackend;
  readonly session: Session;
  readonly router: Router;
  readonly runner: Runner;
  readonly world: World;

  constructor(world: World, clientId: number) {
    this.world = world;
    const chunks = new ChunkMap(chunkBytes);
    const fabric = new ArrayFabric(world.memory);
    const extend: CallHandler = (request) => fabric.extend((request as ExtendRequest).extend);
    const servers = new Map<string, CallHandler>([
      [metadataServer, (request) => world.answer(clientId, request as MetadataRequest)],
      [nodeServer(0), extend],
    ]);
    this.router = new Router(hurried, chunks, [fabric], servers);
    this.runner = new Runner(this.router, systemClock);
    this.session = new Session({
      clientId,
      chunks,
      chunksMost: world.chunksMost,
      durability: "power",
      cursorsMost: 10_000,
      prng: new Prng(clientId),
      running: () => this.runner.running(),
      wake: () => {},
    });
    this.backend = new CloverBackend(this.session, this.runner, systemClock);
  }

  get id(): number {
    return this.session.clientId;
  }

  async run<T>(protocol: (context: Context) => Protocol<T>, timeoutMs = 10_000): Promise<T> {
    return this.backend.run("test", protocol, { timeoutMs });
  }

  put(name: string, value: Uint8Array | string): number | Promise<number> {
    const bytes = typeof value === "string" ? Buffer.from(value) : value;
    return this.backend.put(toKey(name), bytes, undefined, {});
  }

  async delete(name: string): Promise<void> {
    await this.backend.delete(toKey(name), undefined, {});
  }

  async get(name: string): Promise<string | undefined> {
    const found = await this.backend.get(toKey(name), {});
    return found && Buffer.from(found.value).toString();
  }

  pulse(): Promise<void> {
    return this.run(pulse);
  }

  /** A protocol whose rounds are played as far as one likes. */
  step<T>(protocol: (context: Context) => Protocol<T>): Stepping<T> {
    const operation = new Runner(this.router, systemClock).operation("test");
    const context = { session: this.session, operation };
    operation.epoch = this.session.table.generation;
    return new Stepping(this.router, operation, protocol(context));
  }

  /**
   * Plays `rounds` rounds of a protocol and stops there for good, as a client does that dies.
   * False if it ended before.
   */
  async dieIn(protocol: (context: Context) => Protocol<unknown>, rounds: number): Promise<boolean> {
    return !(await this.step(protocol).advance(rounds));
  }

  /** A put, or a delete, whose rounds are played as far as one likes. */
  stepWrite(name: string, value: string | undefined): Stepping<void> {
    const bytes = value === undefined ? undefined : Buffer.from(value);
    return this.step((context) => {
      const batch = new WriteBatch(context.operation, [new WriteRequest(bytes, undefined)]);
      return writeKey(context, toKey(name), batch);
    });
  }

  /** A put, or a delete, that stops for good after so many rounds. False if it ended before. */
  async dieWriting(name: string, value: string | undefined, rounds: number): Promise<boolean> {
    return !(await this.stepWrite(name, value).advance(rounds));
  }
}

/** A protocol on its way. */
export class Stepping<T> {
  readonly #router: Router;
  readonly operation: Operation;
  readonly #protocol: Protocol<T>;
  #step: IteratorResult<Round, T> | undefined;

  constructor(router: Router, operation: Operation, protocol: Protocol<T>) {
    this.#router = router;
    this.operation = operation;
    this.#protocol = protocol;
  }

  /** Plays so many rounds. Whether it has ended. */
  async advance(rounds: number): Promise<boolean> {
    this.#step ??= this.#protocol.next();
    for (let i = 0; i < rounds && !this.#step.done; i += 1) {
      const round: Round = this.#step.value;
      this.operation.posting(round);
      const replies: Replies = await this.#router.post(round);
      this.operation.answered(round, replies);
      this.#step = this.#protocol.next(replies);
    }
    return this.#step.done === true;
  }

  /** Tells the protocol to stop, in place of the round that it wants to post. */
  tell(reason: PdpmError): void {
    this.operation.tell(reason);
    const told = this.operation.takeTold();
    assert(told !== undefined, "the protocol can be told");
    this.#step = this.#protocol.throw(told);
  }

  /** What it returned. */
  get result(): T {
    assert(this.#step?.done === true, "the protocol has ended");
    return this.#step.value;
  }
}

/** A store, and all its clients. */
export class World {
  readonly chunksMost: number;
  readonly memory: ArrayMemory;
  readonly clients: Client[] = [];
  readonly service: MetadataService;
  /** Called with each change before it is made. */
  before: ((client: number, change: Change) => Promise<void>) | undefined;
  /** Loses the reply of a call: called with each request, returns the error to give instead. */
  loses: ((client: number, request: MetadataRequest) => PdpmError | undefined) | undefined;
  #ids = 0;

  /** `chunksMost` data chunks beside the root chunk. */
  constructor(chunks = 8) {
    this.chunksMost = chunks + 1;
    const sizeBytes = regionHeaderBytes + this.chunksMost * chunkBytes;
    this.memory = new ArrayMemory(sizeBytes, regionHeaderBytes + chunkBytes);
    const mark = new Uint8Array(new BigUint64Array([numberWord(0)]).buffer);
    this.memory.write(headerWordOffset.commitHighWater, mark);
    this.service = new MetadataService({
      store: new MemoryStore(),
      clock: systemClock,
      prng: new Prng("service"),
      label: { chunkBytes, chunksMost: this.chunksMost, nodeCount: 1 },
      regionHeaderBytes,
    });
  }

  async answer(client: number, request: MetadataRequest): Promise<unknown> {
    if ("change" in request) await this.before?.(client, request.change);
    const reply = await this.service.handle(request);
    const lost = this.loses?.(client, request);
    if (lost !== undefined) throw lost;
    return reply;
  }

  async client(): Promise<Client> {
    this.#ids += 1;
    const client = new Client(this, this.#ids);
    await client.run((context) => change(context, { do: "enter", pid: client.id, kind: "pulse" }));
    await client.run((context) => client.session.table.load(context));
    this.clients.push(client);
    return client;
  }

  /** Runs `work` while every client's pulse beats. */
  async beating<T>(work: Promise<T>, clients: readonly Client[] = this.clients): Promise<T> {
    let isOver = false;
    const over = work.finally(() => {
      isOver = true;
    });
    const beats = (async () => {
      while (!isOver) {
        for (const client of clients) await beat(client);
      }
    })();
    const [result] = await Promise.all([over, beats]);
    return result;
  }

  space(): Promise<readonly ChunkSpace[]> {
    return this.service.handle({ ask: "space" });
  }

  records(): Promise<readonly ClientRecord[]> {
    return this.service.handle({ ask: "clients" });
  }

  leases(client: number): Promise<readonly SpanPart[]> {
    return this.service.handle({ ask: "leases", client });
  }

  /** Buffers of each kind, in all chunks. */
  async count(): Promise<{ free: number; leased: number; taken: number; spent: number }> {
    const sum = { free: 0, leased: 0, taken: 0, spent: 0 };
    for (const chunk of await this.space()) {
      for (const kind of ["free", "leased", "taken", "spent"] as const) sum[kind] += chunk[kind];
    }
    return sum;
  }

  /** The pointers in a key's chain, its head first; empty when there is no such key. */
  async chain(client: Client, name: string): Promise<Pointer[]> {
    const chains = await client.run(function* (context) {
      return yield* walkChains(context, yield* findHeads(context, [toKey(name)]));
    });
    const [chain] = chains;
    if (chain === undefined) return [];
    assert(chain.state !== "broken", `the chain of ${name} is broken`);
    return [...chain.passed, chain.pointer];
  }

  async keys(): Promise<Key[]> {
    const question = { ask: "keys", prefix: new Uint8Array(0), after: null, limit: 4096 } as const;
    return (await this.service.handle(question)).map(({ key }) => toKey(key));
  }

  async head(name: string): Promise<Pointer | null> {
    return (await this.service.handle({ ask: "lookup", key: keyBytes(toKey(name)) })).head;
  }

  /** Where `address` is in the region, as the newest table has it. */
  async offsetOf(address: Address): Promise<number> {
    if (chunkOf(address) === 0) return regionHeaderBytes + offsetOf(address);
    const { chunks } = await this.service.handle({ ask: "table" });
    const entry = chunks.find(({ chunk }) => chunk === chunkOf(address));
    assert(entry !== undefined, `no chunk carries ${address}`);
    return regionHeaderBytes + entry.place * chunkBytes + offsetOf(address);
  }

  async word(address: Address): Promise<bigint> {
    const bytes = new Uint8Array(8);
    this.memory.read(await this.offsetOf(address), bytes);
    return wordAt(bytes, 0);
  }

  async setWord(address: Address, word: bigint): Promise<void> {
    const bytes = new Uint8Array(new BigUint64Array([word]).buffer);
    this.memory.write(await this.offsetOf(address), bytes);
  }

  /** The head mark's word of a buffer. */
  headMark(address: Address): Promise<bigint> {
    return this.word(address + bufferFields.headMark);
  }
}

/** One pulse, and a turn of the event loop for those who wait. */
export async function beat(client: Client): Promise<void> {
  await client.pulse();
  await new Promise((resolve) => setImmediate(resolve));
}

/** A value of `bytes` bytes that begins with `text`. */
export function valueWith(text: string, bytes: number): Uint8Array {
  const value = new Uint8Array(bytes);
  value.set(Buffer.from(text));
  return value;
}
