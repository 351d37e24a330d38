// A world of clients over one metadata store, for the property test: random changes, several at a
// time and through several services; commits that conflict, services that die before and after a
// commit, requests that arrive twice and late. The world knows what a chain looks like in memory
// and which buffers each client has not used yet; what must follow for the store is in
// contract-truth.ts.

import { isPdpmError, type Prng } from "@pdpm/base";
import {
  type Address,
  addressIn,
  addressOf,
  bufferBytes,
  buffersPerSpan,
  chunkOf,
  gcVersionMost,
  offsetOf,
  type Pointer,
  pointerTo,
} from "@pdpm/layout";
import { regionHeaderBytes, SceneClock, sceneLabel } from "./contract-scene.ts";
import { MemoryStore } from "./memory-store.ts";
import type { Change, ReplyOf, SpanPart, Ticket } from "./protocol.ts";
import { MetadataService } from "./service.ts";
import type { KeyedRecord, Range, StoreRecord, TransactionalStore } from "./store.ts";

/** A service died in the middle of a commit. */
export class Killed extends Error {}

/** One life of a Clover key: its versions, oldest first, as memory has them. */
export interface Life {
  readonly key: string;
  readonly chain: Pointer[];
  commitNumber: number;
  isSealed: boolean;
}

/** A span that a client owns; `busy` counts operations that use its buffers. */
export interface OwnedSpan {
  readonly chunk: number;
  readonly span: number;
  readonly unused: Set<Address>;
  readonly spent: Set<Address>;
  busy: number;
}

/** A client as it sees itself. */
export interface WorldClient {
  readonly id: number;
  readonly sequences: number[];
  readonly spans: Map<string, OwnedSpan>;
  /** Operations under way. */
  busy: number;
  isFenced: boolean;
  isLeaving: boolean;
}

/** Lets others go first for a random number of turns before each access. */
class UnevenStore implements TransactionalStore {
  readonly #inner: TransactionalStore;
  readonly #prng: Prng;

  constructor(inner: TransactionalStore, prng: Prng) {
    this.#inner = inner;
    this.#prng = prng;
  }

  async #wait(): Promise<void> {
    for (let turns = this.#prng.below(6); turns > 0; turns -= 1) await undefined;
  }

  async get(key: string): Promise<StoreRecord | undefined> {
    await this.#wait();
    return this.#inner.get(key);
  }

  async range(range: Range): Promise<readonly KeyedRecord[]> {
    await this.#wait();
    return this.#inner.range(range);
  }

  async commit(...[expected, writes]: Parameters<TransactionalStore["commit"]>): Promise<boolean> {
    await this.#wait();
    return this.#inner.commit(expected, writes);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}

interface Sent {
  readonly request: { readonly ticket: Ticket; readonly change: Change };
  readonly reply: unknown;
}

const clientCount = 3;
const slotCount = 2;
const services = 2;

/** See above. */
export class World {
  readonly prng: Prng;
  readonly store: MemoryStore;
  readonly #services: MetadataService[] = [];
  readonly clients: WorldClient[] = [];
  readonly lives: Map<Pointer, Life> = new Map();
  /** Which key a Central cell was written for. */
  readonly cells: Map<Pointer, string> = new Map();
  /** Size classes of chunks that somebody has heard of. */
  readonly classes: Map<number, number> = new Map();
  /** Central keys that somebody is busy with. */
  readonly locked: Set<string> = new Set();
  /** The highest commit number of a key's lives that are known to be over. */
  readonly #numbers = new Map<string, number>();
  /** GC versions as they stand in memory. */
  readonly #versions = new Map<Address, number>();
  readonly #sent: Sent[] = [];
  #nextId = 1;
  commits = 0;
  /** How often what happened, by kind of change and reply. */
  readonly met: Map<string, number> = new Map();

  constructor(prng: Prng) {
    this.prng = prng;
    const conflicts = prng.fork("conflicts");
    const deaths = prng.fork("deaths");
    const die = (chance: number): void => {
      if (deaths.chance(chance)) throw new Killed("the service was killed");
    };
    this.store = new MemoryStore({
      conflicts: { prng: conflicts, chance: 0.1 },
      beforeCommit: (writes) => {
        const replies = [...writes].filter(([key, value]) => value && key.startsWith("slot/"));
        if (replies.length > 1) this.#meet("a commit of several changes");
        die(0.04);
      },
      afterCommit: () => {
        this.commits += 1;
        die(0.04);
      },
    });
    for (let i = 0; i < services; i += 1) {
      this.#services.push(
        new MetadataService({
          store: new UnevenStore(this.store, prng.fork(`turns ${i}`)),
          clock: new SceneClock(),
          prng: prng.fork(`back-off ${i}`),
          label: sceneLabel,
          regionHeaderBytes,
          // At the first one most batches take several commits, at the other one changes share one.
          commitRecordsMost: i === 0 ? 4 : 512,
        }),
      );
    }
  }

  get service(): MetadataService {
    return this.#services[this.prng.below(services)] as MetadataService;
  }

  pick<T>(list: readonly T[]): T | undefined {
    return list.length === 0 ? undefined : list[this.prng.below(list.length)];
  }

  /** Clients that do not know to be dead; as many as there should be. */
  async populate(): Promise<void> {
    while (this.clients.filter(({ isFenced }) => !isFenced).length < clientCount) {
      const id = this.#nextId;
      this.#nextId += 1;
      const sequences = new Array<number>(slotCount).fill(0);
      const client: WorldClient = {
        id,
        sequences,
        spans: new Map(),
        busy: 0,
        isFenced: false,
        isLeaving: false,
      };
      await this.change(client, 0, { do: "enter", pid: id, kind: "pulse" });
      this.clients.push(client);
    }
  }

  /** Delivers a change until it is answered; undefined when the client turns out to be dead. */
  async change<const C extends Change>(
    client: WorldClient,
    slot: number,
    change: C,
  ): Promise<ReplyOf[C["do"]] | undefined> {
    const sequence = (client.sequences[slot] as number) + 1;
    client.sequences[slot] = sequence;
    const request = { ticket: { client: client.id, slot, sequence }, change };
    for (let tries = 0; tries < 200; tries += 1) {
      const copies = this.prng.chance(0.15) ? 2 : 1;
      const results = await Promise.allSettled(
        Array.from({ length: copies }, () => this.service.handle(request)),
      );
      const replies = results.flatMap((result) =>
        result.status === "fulfilled" ? [result.value] : [],
      );
      for (const result of results)
        if (result.status === "rejected") this.#judge(client, result.reason);
      if (replies.length > 0) {
        const [first, second = first] = replies.map((reply) => stringOf(reply));
        if (first !== second) throw new Error(`two answers: ${first} and ${second}`);
        this.#meet(`${change.do}: ${kindOf(replies[0])}`);
        this.#sent.push({ request, reply: replies[0] });
        if (this.#sent.length > 40) this.#sent.shift();
        return replies[0] as ReplyOf[C["do"]];
      }
      if (client.isFenced) return undefined;
    }
    throw new Error(`${change.do} was never answered`);
  }

  /** An error that a delivery may meet here, or it is thrown on. */
  #judge(client: WorldClient, error: unknown): void {
    const code = isPdpmError(error) ? error.code : error instanceof Killed ? "killed" : "unknown";
    if (!["killed", "PDPM_BUSY", "PDPM_FENCED"].includes(code)) throw error;
    if (code === "PDPM_FENCED") client.isFenced = true;
    this.#meet(code);
  }

  #meet(what: string): void {
    this.met.set(what, (this.met.get(what) ?? 0) + 1);
  }

  /** Something sent long ago arrives again: it must change nothing. */
  async deliverLate(): Promise<void> {
    const sent = this.pick(this.#sent);
    if (sent === undefined) return;
    try {
      const reply = await this.service.handle(sent.request);
      const { ticket, change } = sent.request;
      // Who is gone owes nothing.
      const isGone = this.clients.every(({ id }) => id !== ticket.client);
      if (change.do === "leave" && isGone && reply === "left") return;
      if (stringOf(reply) !== stringOf(sent.reply)) throw new Error(`answered ${stringOf(reply)}`);
    } catch (error) {
      const isRefusal =
        error instanceof Killed ||
        (isPdpmError(error) && ["PDPM_INVALID_ARGUMENT", "PDPM_FENCED"].includes(error.code));
      if (!isRefusal) throw error;
      this.#meet("late: refused");
    }
  }

  /** The client owns these spans from now on. */
  take(client: WorldClient, parts: readonly SpanPart[], sizeClass: number): void {
    for (const { chunk, span, bitmap } of parts) {
      const unused = new Set<Address>();
      for (let bit = 0; bit < bitmap.length * 8; bit += 1) {
        if (((bitmap[bit >> 3] as number) & (1 << (bit & 7))) === 0) continue;
        const index = span * buffersPerSpan(sizeClass) + bit;
        unused.add(addressOf(chunk, index * bufferBytes(sizeClass)));
      }
      const name = `${chunk}.${span}`;
      if (client.spans.has(name)) throw new Error(`span ${name} was leased twice`);
      client.spans.set(name, { chunk, span, unused, spent: new Set(), busy: 0 });
    }
  }

  /** Writes a version into an unused buffer of the client, in its next GC version. */
  use(client: WorldClient): { readonly pointer: Pointer; readonly span: OwnedSpan } | undefined {
    if (client.isFenced) return undefined;
    const span = this.pick([...client.spans.values()].filter(({ unused }) => unused.size > 0));
    const address = span && this.pick([...span.unused]);
    if (span === undefined || address === undefined) return undefined;
    span.unused.delete(address);
    const version = this.#versionAt(address) + 1;
    if (version > gcVersionMost) {
      span.spent.add(address);
      return undefined;
    }
    this.#versions.set(address, version);
    span.busy += 1;
    return { pointer: pointerTo(address, version), span };
  }

  /** Some buffers are near the end of their lives from the beginning. */
  #versionAt(address: Address): number {
    const isOld = (offsetOf(address) / 64 + chunkOf(address)) % 3 === 0;
    return this.#versions.get(address) ?? (isOld ? gcVersionMost - 2 : 0);
  }

  /** What a client does in memory meanwhile takes its time. */
  async memoryWork(): Promise<void> {
    for (let turns = this.prng.below(60); turns > 0; turns -= 1) await undefined;
  }

  /** A life is known to have begun: numbers of a key grow over its lives. */
  begin({ key, commitNumber }: Life): void {
    const before = this.#numbers.get(key) ?? 0;
    if (commitNumber <= before) throw new Error(`${key}: ${commitNumber} follows ${before}`);
  }

  /** A life is known to be over. */
  end({ key, commitNumber }: Life): void {
    this.#numbers.set(key, Math.max(commitNumber, this.#numbers.get(key) ?? 0));
  }

  /** The client is gone. */
  remove(client: WorldClient): void {
    const index = this.clients.indexOf(client);
    if (index >= 0) this.clients.splice(index, 1);
  }

  /** The buffer was refused: unused again, though its GC version is gone. */
  putBack(span: OwnedSpan, pointer: Pointer): void {
    span.unused.add(addressIn(pointer));
  }
}

/** Text of a reply, to compare two. */
export function stringOf(reply: unknown): string {
  return JSON.stringify(reply, (_, value) => {
    if (typeof value === "bigint") return `${value}n`;
    return value instanceof Uint8Array ? [...value].join() : value;
  });
}

/** A reply without its numbers. */
function kindOf(reply: unknown): string {
  const one = Array.isArray(reply) ? (reply[0] ?? "nothing") : reply;
  return typeof one === "string" ? one : Object.keys(one as object).join();
}
