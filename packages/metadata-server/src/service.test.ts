// The service as a client sees it: what each request answers.

import { Prng, systemClock } from "@pdpm/base";
import { addressOf, bufferBytes, type Pointer, pointerTo } from "@pdpm/layout";
import { expect, test } from "vitest";
import { MemoryStore } from "./memory-store.ts";
import type { Change, ReplyOf, SpanPart } from "./protocol.ts";
import { MetadataService } from "./service.ts";
import type { TransactionalStore } from "./store.ts";

const sizeClass = 0;
const label = { chunkBytes: 2 ** 16, chunksMost: 4, nodeCount: 2 };
const regionHeaderBytes = 4096;

function serviceOver(store: TransactionalStore): MetadataService {
  return new MetadataService({
    store,
    clock: systemClock,
    prng: new Prng("service"),
    label,
    regionHeaderBytes,
  });
}

/** A client with one call slot. */
class Caller {
  readonly service: MetadataService;
  readonly id: number;
  #sequence = 0;

  constructor(service: MetadataService, id: number) {
    this.service = service;
    this.id = id;
  }

  static async enter(service: MetadataService, id: number): Promise<Caller> {
    const caller = new Caller(service, id);
    await caller.do({ do: "enter", pid: id, kind: "file" });
    return caller;
  }

  async do<const C extends Change>(change: C): Promise<ReplyOf[C["do"]]> {
    this.#sequence += 1;
    const ticket = { client: this.id, slot: 0, sequence: this.#sequence };
    return (await this.service.handle({ ticket, change })) as ReplyOf[C["do"]];
  }

  async lease(buffers: number): Promise<readonly SpanPart[]> {
    const reply = await this.do({ do: "lease", sizeClass, buffers });
    if (typeof reply === "string" || !("spans" in reply)) throw new Error("no space");
    return reply.spans;
  }
}

const key = (text: string): Uint8Array => new TextEncoder().encode(text);
const buffer = (chunk: number, index: number, life = 1): Pointer =>
  pointerTo(addressOf(chunk, index * bufferBytes(sizeClass)), life);

test("a key is created in a leased buffer, moves on, and is forgotten", async () => {
  const service = serviceOver(new MemoryStore());
  const caller = await Caller.enter(service, 7);
  expect(await caller.do({ do: "lease", sizeClass, buffers: 3 })).toEqual({
    grow: { node: 1, place: 0, sizeBytes: regionHeaderBytes + label.chunkBytes },
  });
  expect(await caller.do({ do: "addChunk", node: 1, place: 0, sizeClass })).toEqual({ chunk: 1 });
  const [part] = await caller.lease(3);
  expect(part).toMatchObject({ chunk: 1, span: 0 });

  const [a, b] = [buffer(1, 0), buffer(1, 1)];
  const create = { do: "create", key: key("k"), pointer: a, commitNumber: 5 } as const;
  expect(await caller.do(create)).toBe("created");
  const moves = [{ key: key("k"), head: a, next: b, freed: [a] }];
  expect(await caller.do({ do: "advance", moves })).toEqual(["moved"]);
  expect(await service.handle({ ask: "lookup", key: key("k") })).toEqual({
    head: b,
    stale: [],
    floor: 0,
  });
  const forget = { do: "forget", key: key("k"), head: b, commitNumber: 9, freed: [b] } as const;
  expect(await caller.do(forget)).toBe("forgotten");
  expect(await service.handle({ ask: "lookup", key: key("k") })).toEqual({
    head: null,
    stale: [],
    floor: 9,
  });
  expect(await caller.do({ ...create, pointer: buffer(1, 2) })).toEqual({ floor: 9 });
});
