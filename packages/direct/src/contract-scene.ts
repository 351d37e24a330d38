// What the tests of audit and repair work with: a store over array memory, clients that die in the
// middle of a write, bytes that are damaged, and a repair that is checked for what every repair
// must hold.

import { assert, Prng, systemClock } from "@pdpm/base";
import { type Key, toKey, WriteBatch, WriteRequest } from "@pdpm/kv";
import {
  type Address,
  BucketImage,
  bucketBytes,
  chunkOf,
  decodeEntry,
  entryOffset,
  offsetOf,
  wordAt,
} from "@pdpm/layout";
import {
  ArrayMemory,
  type CallHandler,
  ChunkMap,
  type Protocol,
  type Replies,
  Router,
  Runner,
  Verb,
} from "@pdpm/verbs";
import { ArrayFabric } from "@pdpm/verbs/array-fabric";
import { type AuditReport, auditStore } from "./audit.ts";
import { homeOf } from "./bucket-chain.ts";
import { DirectBackend } from "./direct-backend.ts";
import { membersServer } from "./judge.ts";
import { nodeServer } from "./make-space.ts";
import { repairStore } from "./repair.ts";
import { type Context, Session } from "./session.ts";
import { writeKey } from "./write-path.ts";

export const chunkBytes: number = 2 ** 20;
const headerBytes = 4096;

/** A store in memory, and who is dead. */
export class World {
  readonly memory: ArrayMemory;
  readonly dead: Set<number> = new Set<number>();
  /** What was acknowledged last, by key: undefined for a delete. */
  readonly expected: Map<Key, string | undefined> = new Map<Key, string | undefined>();
  /** What a client that died was writing, by key. */
  readonly pending: Map<Key, string | undefined> = new Map<Key, string | undefined>();
  readonly routers: Map<number, Router> = new Map<number, Router>();
  #ids = 0;

  constructor(
    memory: ArrayMemory = new ArrayMemory(headerBytes + 24 * chunkBytes, headerBytes + chunkBytes),
  ) {
    this.memory = memory;
  }

  /** `chunksMost`: what the store may have, the root chunk included. */
  client(chunksMost = 23): DirectBackend {
    this.#ids += 1;
    const clientId = this.#ids;
    const chunks = new ChunkMap(chunkBytes);
    const fabric = new ArrayFabric(this.memory);
    const judge: CallHandler = (request) => {
      const { judge: id } = request as { judge: number };
      const alive = this.routers.has(id) && !this.dead.has(id);
      return { alive, who: alive ? "pid 1" : "dead" };
    };
    const extend: CallHandler = (request) => fabric.extend((request as { extend: number }).extend);
    const servers = new Map([
      [membersServer, judge],
      [nodeServer(0), extend],
    ]);
    const router = new Router(systemClock, chunks, [fabric], servers);
    this.routers.set(clientId, router);
    const runner = new Runner(router, systemClock);
    const session = new Session({
      clientId,
      chunks,
      nodeCount: 1,
      chunksMost,
      durability: "power",
      cursorsMost: 1000,
      prng: new Prng(clientId),
      running: () => runner.running(),
    });
    return new DirectBackend(session, runner, systemClock);
  }

  async put(client: DirectBackend, name: string, value: string): Promise<number> {
    this.expected.set(toKey(name), value);
    return client.put(toKey(name), Buffer.from(value), undefined, {});
  }

  async delete(client: DirectBackend, name: string): Promise<void> {
    this.expected.set(toKey(name), undefined);
    await client.delete(toKey(name), undefined, {});
  }

  /**
   * Begins a write and dies before round number `rounds`, of which the first `posts` posts still
   * arrive. False if it ended before.
   */
  async dieIn(
    client: DirectBackend,
    rounds: number,
    name: string,
    value: string | undefined,
    posts = 0,
  ): Promise<boolean> {
    const { session } = client;
    const runner = new Runner(this.routers.get(session.clientId) as Router, systemClock);
    const operation = runner.operation("put");
    const bytes = value === undefined ? undefined : Buffer.from(value);
    const batch = new WriteBatch(operation, [new WriteRequest(bytes, undefined)]);
    const protocol = writeKey({ session, operation }, toKey(name), batch);
    this.dead.add(session.clientId);
    this.pending.set(toKey(name), value);
    let step = protocol.next();
    for (let i = 0; i < rounds && !step.done; i += 1) {
      const replies = this.routers.get(session.clientId)?.post(step.value);
      step = protocol.next((await replies) as Replies);
    }
    if (!step.done && posts > 0) {
      await this.routers.get(session.clientId)?.post(step.value.slice(0, posts));
    }
    return !step.done;
  }

  /** Begins a repair and dies before its change number `changes`. False if it ended before. */
  async dieRepairing(changes: number): Promise<boolean> {
    for (const id of this.routers.keys()) this.dead.add(id);
    const { session } = this.client();
    const router = this.routers.get(session.clientId) as Router;
    const operation = new Runner(router, systemClock).operation("repair");
    const context = { session, operation };
    const protocol = (function* (): Protocol<unknown> {
      return yield* repairStore(context, yield* auditStore(context));
    })();
    let left = changes;
    let step = protocol.next();
    while (!step.done) {
      const isChange = step.value.some(
        ({ verb }) => verb === Verb.write || verb === Verb.compareAndSwap,
      );
      if (isChange && left === 0) return true;
      if (isChange) left -= 1;
      step = protocol.next(await router.post(step.value));
    }
    return false;
  }

  offsetOf(client: DirectBackend, address: Address): number {
    const chunk = chunkOf(address);
    const place = chunk === 0 ? 0 : client.session.table.entry(chunk)?.place;
    if (place === undefined) throw new Error(`no chunk carries ${address}`);
    return headerBytes + place * chunkBytes + offsetOf(address);
  }

  /** Damages the byte at `address`. */
  flip(client: DirectBackend, address: Address, by = 0x10): void {
    const byte = new Uint8Array(1);
    const offset = this.offsetOf(client, address);
    this.memory.read(offset, byte);
    byte[0] = (byte[0] as number) ^ by;
    this.memory.write(offset, byte);
  }

  /** Damages all eight bytes of a word. */
  ruin(client: DirectBackend, address: Address): void {
    for (let i = 0; i < 8; i += 1) this.flip(client, address + i, 0x5a + i);
  }

  read(client: DirectBackend, address: Address, bytes: number): Uint8Array {
    const target = new Uint8Array(bytes);
    this.memory.read(this.offsetOf(client, address), target);
    return target;
  }

  word(client: DirectBackend, address: Address): bigint {
    return wordAt(this.read(client, address, 8), 0);
  }

  image(): Uint8Array {
    const bytes = new Uint8Array(this.memory.sizeBytes);
    this.memory.read(0, bytes);
    return bytes;
  }

  audit(client: DirectBackend = this.client()): Promise<AuditReport> {
    return Promise.resolve(client.run("audit", auditStore, {}));
  }

  /** Everybody dies; then audit, repair, audit; and another repair, which must change nothing. */
  async repair(): Promise<Mended> {
    for (const id of this.routers.keys()) this.dead.add(id);
    const client = this.client();
    const before = await this.audit(client);
    const mend = (report: AuditReport) =>
      client.run("repair", (context: Context) => repairStore(context, report), {});
    const { repaired, lost } = await mend(before);
    const after = await this.audit(client);
    assert(after.problems.length === 0, `still wrong: ${after.problems.join("; ")}`);
    assert(after.held.size === 0, `still held: ${[...after.held.keys()]}`);
    const image = this.image();
    const again = await mend(after);
    assert(again.repaired.length === 0, `repaired again: ${again.repaired.join("; ")}`);
    assert(Buffer.compare(image, this.image()) === 0, "a second repair changed something");
    return { before: before.problems.map(String), repaired, lost, client };
  }

  /**
   * Names of keys that are missing and should not be.
   * @throws when a key has a value that it must not have.
   */
  async wrong(client: DirectBackend): Promise<string[]> {
    const names: string[] = [];
    for (const key of new Set([...this.expected.keys(), ...this.pending.keys()])) {
      const found = await client.get(key, {});
      const text = found && Buffer.from(found.value).toString();
      const allowed = [this.expected.get(key)];
      if (this.pending.has(key)) allowed.push(this.pending.get(key));
      if (allowed.includes(text)) continue;
      assert(text === undefined, `${key} is ${text}`);
      names.push(key);
    }
    return names;
  }

  /** Runs a protocol as `client`. */
  run<T>(client: DirectBackend, protocol: (context: Context) => Protocol<T>): Promise<T> {
    return Promise.resolve(client.run("test", protocol, {}));
  }

  bucketOf(client: DirectBackend, name: string): { bucket: Address; fingerprint: number } {
    return homeOf({ session: client.session } as Context, toKey(name));
  }

  /** Where a key stands; undefined if it stands nowhere. */
  async find(client: DirectBackend, name: string): Promise<Place | undefined> {
    const { bucket: home, fingerprint } = this.bucketOf(client, name);
    for (let bucket: Address | undefined = home; bucket !== undefined; ) {
      const image: BucketImage = new BucketImage(this.read(client, bucket, bucketBytes));
      for (let i = 0; i < 28; i += 1) {
        const entry = decodeEntry(image.entryWord(i));
        if (!entry || entry.fingerprint !== fingerprint) continue;
        const { cell: slot, sizeClass } = entry;
        return { home, bucket, entry: bucket + entryOffset(i), slot, sizeClass };
      }
      bucket = decodeEntry(image.nextWord)?.cell;
    }
    return undefined;
  }

  async placeOf(client: DirectBackend, name: string): Promise<Place> {
    const place = await this.find(client, name);
    if (place === undefined) throw new Error(`${name} is nowhere`);
    return place;
  }

  /** Names of keys whose home bucket is that of "key-0". */
  neighbours(client: DirectBackend, count: number): string[] {
    const { bucket } = this.bucketOf(client, "key-0");
    const names: string[] = [];
    for (let i = 0; names.length < count; i += 1) {
      if (this.bucketOf(client, `near-${i}`).bucket === bucket) names.push(`near-${i}`);
    }
    return names;
  }
}

/** What a repair did. */
export interface Mended {
  readonly before: readonly string[];
  readonly repaired: readonly string[];
  readonly lost: readonly string[];
  readonly client: DirectBackend;
}

/** Where a key stands. */
export interface Place {
  readonly home: Address;
  readonly bucket: Address;
  readonly entry: Address;
  readonly slot: Address;
  readonly sizeClass: number;
}

/** A store with 18 keys: ten of them updated once, and two more deleted. */
export async function filled(): Promise<{ world: World; client: DirectBackend }> {
  const world = new World();
  const client = world.client();
  for (let i = 0; i < 20; i += 1) await world.put(client, `key-${i}`, `value ${i}.1`);
  for (let i = 0; i < 10; i += 1) await world.put(client, `key-${i}`, `value ${i}.2`);
  for (let i = 18; i < 20; i += 1) await world.delete(client, `key-${i}`);
  return { world, client };
}
