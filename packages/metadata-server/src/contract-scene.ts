// What the tests of the service share: a clock without waiting, a service over some store, a client
// that numbers its changes, and pointers to the buffers of a chunk.

import { type Clock, Prng } from "@pdpm/base";
import { addressOf, bufferBytes, type Pointer, pointerTo } from "@pdpm/layout";
import { MemoryStore } from "./memory-store.ts";
import type { AnswerOf, Change, Question, ReplyOf, SpanPart, Ticket } from "./protocol.ts";
import { MetadataService, type MetadataServiceOptions } from "./service.ts";
import type { TransactionalStore } from "./store.ts";

/** A class with few buffers: 12 in a span, 51 in a chunk, in 5 spans of which the last has 3. */
export const sizeClass = 41;
/** Another one: 3 in a span, 15 in a chunk. */
export const otherClass = 48;
export const sceneLabel: Record<"chunkBytes" | "chunksMost" | "nodeCount", number> = {
  chunkBytes: 2 ** 22,
  chunksMost: 5,
  nodeCount: 2,
};
export const regionHeaderBytes = 4096;

/** Pauses of up to a second are over at once, longer ones never; time goes on with every look. */
export class SceneClock implements Clock {
  #now = 0;

  now(): number {
    this.#now += 0.001;
    return this.#now;
  }

  after(ms: number, then: () => void): () => void {
    if (ms > 1000) return () => undefined;
    const immediate = setImmediate(then);
    return () => clearImmediate(immediate);
  }
}

/** What a test wants to be otherwise. */
export type SceneOptions = Partial<MetadataServiceOptions>;

export function sceneService(
  store: TransactionalStore,
  options: SceneOptions = {},
): MetadataService {
  const prng = new Prng("scene");
  const usual = { clock: new SceneClock(), prng, label: sceneLabel, regionHeaderBytes };
  return new MetadataService({ store, ...usual, ...options });
}

/** A client of a service, in one of its call slots. */
export class Caller {
  readonly id: number;
  readonly service: MetadataService;
  readonly #slot: number;
  #sequence = 0;

  constructor(service: MetadataService, id: number, slot = 0) {
    this.service = service;
    this.id = id;
    this.#slot = slot;
  }

  /** The ticket of the last change. */
  get ticket(): Ticket {
    return { client: this.id, slot: this.#slot, sequence: this.#sequence };
  }

  async do<const C extends Change>(change: C): Promise<ReplyOf[C["do"]]> {
    this.#sequence += 1;
    return this.again(change);
  }

  /** Delivers a change with the last ticket. */
  async again<const C extends Change>(change: C): Promise<ReplyOf[C["do"]]> {
    const reply: unknown = await this.service.handle({ ticket: this.ticket, change });
    return reply as ReplyOf[C["do"]];
  }

  async ask<const Q extends Question>(question: Q): Promise<AnswerOf[Q["ask"]]> {
    const answer: unknown = await this.service.handle(question);
    return answer as AnswerOf[Q["ask"]];
  }

  /** Leases, and wants to get something. */
  async lease(buffers: number, ofClass: number = sizeClass): Promise<readonly SpanPart[]> {
    const reply = await this.do({ do: "lease", sizeClass: ofClass, buffers });
    if (typeof reply === "string" || !("spans" in reply)) throw new Error(JSON.stringify(reply));
    return reply.spans;
  }
}

export async function enter(service: MetadataService, id: number): Promise<Caller> {
  const caller = new Caller(service, id);
  await caller.do({ do: "enter", pid: 1000 + id, kind: "file" });
  return caller;
}

/** See `scene`. */
export interface Scene {
  readonly store: MemoryStore;
  /** That of `one`. */
  readonly service: MetadataService;
  readonly one: Caller;
  readonly two: Caller;
  /** Done when the next commit was asked for, before it is looked at; by the other service. */
  before(rival: () => Promise<unknown>): void;
  /** Kills the service when this many further commits have been applied. */
  killAfter(commits: number): void;
}

/** A store, and the clients 1 and 2 at a service each, with chunk 1 at node 1's place 0. */
export async function scene(options: SceneOptions = {}): Promise<Scene> {
  let rival: (() => Promise<unknown>) | undefined;
  let left = Number.POSITIVE_INFINITY;
  const store = new MemoryStore({
    async beforeCommit() {
      const now = rival;
      rival = undefined;
      await now?.();
    },
    afterCommit() {
      left -= 1;
      if (left === 0) throw new Error("the service was killed");
    },
  });
  const service = sceneService(store, options);
  // A service of its own: what waits at the first one while its commit is under way is no rival.
  const [one, two] = [await enter(service, 1), await enter(sceneService(store, options), 2)];
  await one.do({ do: "addChunk", node: 1, place: 0, sizeClass });
  return {
    store,
    service,
    one,
    two,
    before(next) {
      rival = next;
    },
    killAfter(commits) {
      left = commits;
    },
  };
}

/** The buffer number `index` of a chunk. */
export function buffer(chunk: number, index: number, life = 1): Pointer {
  return pointerTo(addressOf(chunk, index * bufferBytes(sizeClass)), life);
}

/** A bitmap with these bits. */
export function bits(...numbers: number[]): Uint8Array {
  const bitmap = new Uint8Array(32);
  for (const bit of numbers) bitmap[bit >> 3] = (bitmap[bit >> 3] ?? 0) | (1 << (bit & 7));
  return bitmap;
}

export function key(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
