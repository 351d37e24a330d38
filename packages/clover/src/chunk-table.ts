// This client's copy of the chunk table, which the metadata service keeps. It feeds the chunk map,
// by which rounds find memory.
//
// Invariants:
// - A chunk number means one size class and one place for ever. A chunk that is retired has no live
//   buffer, so no link that counts leads there; it is forgotten, and never comes back.
// - Rounds of operations that began before that was known may still go there: the chunk map forgets
//   the chunk only when they have ended. Its place is cut anew only after we have said so (H17).

import { type Address, addressOf, chunkOf, headerChunk, offsetOf } from "@pdpm/layout";
import { regionHeaderBytes } from "@pdpm/layout/region-header";
import type { ChunkEntry, ChunkTableReply } from "@pdpm/metadata-server/protocol";
import type { ChunkMap, Protocol } from "@pdpm/verbs";
import { ask, type Caller } from "./calls.ts";

/** The cached table. */
export class ChunkTable {
  readonly chunkBytes: number;
  readonly #chunks: ChunkMap;
  readonly #entries = new Map<number, ChunkEntry>();
  /** Retired chunks that the chunk map still has, by the generation in which we learnt of it. */
  readonly #retired = new Map<number, number>();
  /** The highest chunk number seen. */
  #newest = 0;
  /** Of the last table that was read; -1 before. */
  generation = -1;
  pressure = 0;

  constructor(chunks: ChunkMap) {
    this.#chunks = chunks;
    this.chunkBytes = chunks.chunkBytes;
    chunks.set(0, 0, regionHeaderBytes);
    chunks.set(headerChunk, 0, 0);
  }

  entry(chunk: number): ChunkEntry | undefined {
    return this.#entries.get(chunk);
  }

  entries(): Iterable<ChunkEntry> {
    return this.#entries.values();
  }

  /**
   * Whether verbs may be posted to the buffer at `address` now. A damaged link may lead behind the
   * end of a chunk.
   */
  reaches(address: Address): boolean {
    return this.#entries.has(chunkOf(address)) && offsetOf(address) < this.chunkBytes;
  }

  /** Whether a hint may lead to `address`: its chunk is known, or came since the table was read. */
  mayReach(address: Address): boolean {
    return this.reaches(address) || chunkOf(address) > this.#newest;
  }

  /** Whether buffers of this chunk may be handed out. */
  isActive(chunk: number): boolean {
    return this.#entries.get(chunk)?.state === "active";
  }

  /** Bytes from `address` to the end of its chunk: no read goes beyond. */
  roomAt(address: Address): number {
    return addressOf(chunkOf(address), 0) + this.chunkBytes - address;
  }

  /** Whether `address` is in a chunk of the store, after reading the table again if need be. */
  *require(context: Caller, address: Address): Protocol<boolean> {
    if (this.reaches(address)) return true;
    yield* this.load(context);
    return this.reaches(address);
  }

  /** Reads the whole table again: one call. An answer older than what is known is dropped. */
  *load(context: Caller): Protocol<void> {
    this.take(yield* ask(context, { ask: "table" }));
  }

  /** Takes over what the service said. */
  take({ generation, pressure, chunks }: ChunkTableReply): void {
    if (generation < this.generation) return;
    this.generation = generation;
    this.pressure = Math.max(this.pressure, pressure);
    const listed = new Set<number>();
    for (const entry of chunks) {
      if (entry.state === "retired") continue;
      listed.add(entry.chunk);
      this.#newest = Math.max(this.#newest, entry.chunk);
      this.#entries.set(entry.chunk, entry);
      const offset = regionHeaderBytes + entry.place * this.chunkBytes;
      this.#chunks.set(entry.chunk, entry.node, offset);
    }
    for (const chunk of this.#entries.keys()) {
      if (listed.has(chunk)) continue;
      this.#entries.delete(chunk);
      this.#retired.set(chunk, generation);
    }
  }

  /** No operation is under way any more that had not seen `generation`. */
  forgetRetired(generation: number): void {
    for (const [chunk, since] of this.#retired) {
      if (since > generation) continue;
      this.#retired.delete(chunk);
      this.#chunks.forget(chunk);
    }
  }
}
