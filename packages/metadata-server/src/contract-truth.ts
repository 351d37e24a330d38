// What must hold of a metadata store whenever nothing is under way, read from its records and
// compared with what the clients of a world know. Each invariant is one function.

import {
  addressIn,
  addressOf,
  bufferBytes,
  buffersPerSpan,
  type Pointer,
  pointerText,
} from "@pdpm/layout";
import { countBits, hasBit, isEmpty } from "./bitmap.ts";
import { sceneLabel } from "./contract-scene.ts";
import { stringOf, type World } from "./contract-world.ts";
import { buffersInSpan } from "./geometry.ts";
import { decodeRecord, type RecordName } from "./record.ts";
import * as records from "./records.ts";

interface Span extends records.SpanRecord {
  readonly chunk: number;
  readonly span: number;
  readonly sizeClass: number;
  readonly buffers: number;
}

/** All records, decoded. */
export interface Truth {
  readonly spans: readonly Span[];
  readonly chunks: ReadonlyMap<number, records.ChunkRecord>;
  readonly queue: readonly records.QueueEntry[];
  readonly heads: ReadonlyMap<string, records.DirectoryRecord>;
  readonly clients: ReadonlyMap<number, records.Liveness>;
  readonly leased: ReadonlyMap<number, readonly number[]>;
  readonly table: records.TableRecord | undefined;
}

function must(isTrue: boolean, message: string): void {
  if (!isTrue) throw new Error(message);
}

/** Reads the whole store. */
export async function readTruth(world: World): Promise<Truth> {
  const all = await world.store.range({ start: "", end: "\xff", limit: 1e9 });
  const values = new Map(all.map(({ key, value }) => [key, value]));
  const under = (prefix: string): string[] =>
    [...values.keys()].filter((name) => name.startsWith(prefix));
  const read = <T>(name: RecordName<T>): T =>
    decodeRecord(name, values.get(name.key) as Uint8Array);
  const numberIn = (name: string, part: number): number =>
    Number.parseInt(name.split("/")[part] as string, 16);
  const chunks = new Map(
    under("chunk/").map((name) => {
      const chunk = numberIn(name, 1);
      return [chunk, read(records.chunkRecordOf(chunk))];
    }),
  );
  const spans = under("span/").map((name) => {
    const [chunk, span] = [numberIn(name, 1), numberIn(name, 2)];
    const sizeClass = chunks.get(chunk)?.sizeClass;
    if (sizeClass === undefined) throw new Error(`${name} is of no chunk`);
    const buffers = buffersInSpan(sceneLabel.chunkBytes, sizeClass, span);
    return { ...read(records.spanOf(chunk, span)), chunk, span, sizeClass, buffers };
  });
  const ids = under("client/").map((name) => numberIn(name, 1));
  const owners = under("leased/").map((name) => numberIn(name, 1));
  const names = under("directory/").map((name) => name.slice("directory/".length));
  const bytes = (name: string): Uint8Array => new TextEncoder().encode(name);
  return {
    chunks,
    spans,
    queue: under("free/").map((name) => records.queueEntryIn(name)),
    heads: new Map(names.map((name) => [name, read(records.directoryOf(bytes(name)))])),
    clients: new Map(ids.map((id) => [id, read(records.clientOf(id))])),
    leased: new Map(owners.map((id) => [id, read(records.leasedOf(id))])),
    table: values.has("table") ? read(records.tableRecord) : undefined,
  };
}

/** Each buffer is in one of live, leased, free, spent; and it is the one that the clients know. */
export function checkBuffers(world: World, truth: Truth): void {
  const live = livePointers(world, truth);
  const unused = new Set<number>();
  for (const client of world.clients.filter(({ isFenced }) => !isFenced)) {
    for (const owned of client.spans.values()) {
      for (const address of [...owned.unused, ...owned.spent]) unused.add(address);
    }
  }
  const living = new Map([...live].map((pointer) => [addressIn(pointer), pointer]));
  must(living.size === live.size, "a buffer is live twice");
  for (const span of truth.spans) {
    const isDead = truth.clients.get(span.owner)?.state === "dead";
    for (let bit = 0; bit < span.buffers; bit += 1) {
      const index = span.span * buffersPerSpan(span.sizeClass) + bit;
      const address = addressOf(span.chunk, index * bufferBytes(span.sizeClass));
      const states = [span.free, span.leased, span.spent].filter((map) => hasBit(map, bit)).length;
      const name = `buffer ${bit} of span ${span.chunk}.${span.span}`;
      must(states <= 1, `${name} has two states`);
      const isLeased = hasBit(span.leased, bit);
      if (living.delete(address)) must(isLeased || states === 0, `${name} is live and free`);
      else if (unused.has(address)) must(isLeased, `${name} is not leased to who has it`);
      else if (!isDead) must(hasBit(span.free, bit) || hasBit(span.spent, bit), `${name} is lost`);
    }
    const end = span.buffers;
    for (const map of [span.free, span.leased, span.spent]) {
      for (let bit = end; bit < map.length * 8; bit += 1) must(!hasBit(map, bit), "no such buffer");
    }
  }
  must(living.size === 0, `live in no span: ${[...living.values()].map(pointerText).join()}`);
}

/** What the directory leads to, by the chains in memory. */
function livePointers(world: World, { heads }: Truth): Set<Pointer> {
  const live = new Set<Pointer>();
  for (const [name, { head, stale }] of heads) {
    const life = world.lives.get(head);
    if (life === undefined) {
      for (const cell of [head, ...stale]) {
        must(world.cells.get(cell) === name, `${name} leads to another key's cell`);
        live.add(cell);
      }
      continue;
    }
    must(life.key === name && stale.length === 0, `${name} leads to another key's chain`);
    for (const pointer of life.chain.slice(life.chain.indexOf(head))) live.add(pointer);
  }
  return live;
}

/** A span is queued exactly when it is unowned and has a free buffer, where its record says. */
export function checkQueue({ spans, queue }: Truth): void {
  const entries = new Map(queue.map((entry) => [`${entry.chunk}.${entry.span}`, entry]));
  must(entries.size === queue.length, "a span is queued twice");
  for (const { chunk, span, owner, sequence, free, sizeClass } of spans) {
    const entry = entries.get(`${chunk}.${span}`);
    const isDue = owner === 0 && !isEmpty(free);
    must(isDue === (entry !== undefined), `span ${chunk}.${span}: queued or not`);
    must(sequence === (entry?.sequence ?? 0), `span ${chunk}.${span}: another place in the queue`);
    if (entry !== undefined) must(entry.sizeClass === sizeClass, "queued in another class");
    entries.delete(`${chunk}.${span}`);
  }
  must(entries.size === 0, "an entry of the queue names no span");
}

/** A client's list names the spans that say that it owns them, and leased buffers have an owner. */
export function checkOwners({ spans, leased, clients }: Truth): void {
  const owned = new Map<number, number[]>();
  for (const { chunk, span, owner, leased: bitmap } of spans) {
    if (owner === 0) must(isEmpty(bitmap), "an unowned span has leased buffers");
    else owned.set(owner, [...(owned.get(owner) ?? []), chunk * 2 ** 16 + span]);
  }
  for (const [id, numbers] of leased) {
    const sorted = [...numbers].sort((a, b) => a - b);
    must(stringOf(sorted) === stringOf(owned.get(id) ?? []), `the list of client ${id} is wrong`);
    owned.delete(id);
  }
  must(owned.size === 0, "a span's owner does not know of it");
  for (const id of leased.keys()) must(clients.has(id), `client ${id} is gone and owns spans`);
}

/** Exactly the clients that the world knows of, dead or alive. */
export function checkClients(world: World, { clients }: Truth): void {
  const known = world.clients.map(({ id }) => id).sort((a, b) => a - b);
  must(stringOf([...clients.keys()]) === stringOf(known), `clients ${[...clients.keys()]}`);
}

/** Places are used once; generations and chunk numbers only grow. */
export function checkTable({ chunks, table }: Truth, before: Truth): void {
  const places = [...chunks.values()].map(({ node, place }) => `${node}/${place}`);
  must(new Set(places).size === places.length, "two chunks stand in one place");
  const used = table?.places.reduce((sum, count) => sum + count, 0) ?? 1;
  must(used === chunks.size + 1, `${used} places for ${chunks.size} chunks and the root chunk`);
  must(used <= sceneLabel.chunksMost, "more chunks than may be");
  const [now, then] = [table?.generation ?? 0, before.table?.generation ?? 0];
  must(now >= then, "the generation went back");
  const isSame = stringOf([...chunks]) === stringOf([...before.chunks]);
  must(isSame || now > then, "a chunk changed within a generation");
  for (const chunk of chunks.keys()) {
    if (!before.chunks.has(chunk)) must(chunk >= (before.table?.nextChunk ?? 1), "a number again");
  }
}

/** What the service counts is what the records say. */
export async function checkCounters(world: World, { spans }: Truth): Promise<void> {
  for (const counted of await world.service.handle({ ask: "space" })) {
    const own = spans.filter(({ chunk }) => chunk === counted.chunk);
    const sum = (name: "free" | "leased" | "spent"): number =>
      own.reduce((total, span) => total + countBits(span[name]), 0);
    const buffers = own.reduce((total, span) => total + span.buffers, 0);
    const taken = buffers - sum("free") - sum("leased") - sum("spent");
    const right = { free: sum("free"), leased: sum("leased"), taken, spent: sum("spent") };
    const { free, leased, spent } = counted;
    const found = { free, leased, taken: counted.taken, spent };
    must(stringOf(found) === stringOf(right), `chunk ${counted.chunk} counts ${stringOf(found)}`);
  }
}
