// The coordinator's copy of the chunk table, which the metadata service keeps. It feeds the chunk
// map, by which rounds find memory.
//
// Invariant: a chunk number means one size class and one place for ever. A chunk that is retired
// has no live cell, so the mapping never leads there; it is forgotten, and never comes back.

import { type Address, addressOf, chunkOf, headerChunk } from "@pdpm/layout";
import { regionHeaderBytes } from "@pdpm/layout/region-header";
import type { ChunkEntry, ChunkTableReply } from "@pdpm/metadata-server/protocol";
import type { ChunkMap, Protocol } from "@pdpm/verbs";
import { ask, type Caller } from "./calls.ts";

/** The cached table. */
export class ChunkTable {
  readonly chunkBytes: number;
  readonly #chunks: ChunkMap;
  readonly #entries = new Map<number, ChunkEntry>();
  /** Of the last table that was read; -1 before. */
  generation = -1;

  constructor(chunks: ChunkMap) {
    this.#chunks = chunks;
    this.chunkBytes = chunks.chunkBytes;
    chunks.set(headerChunk, 0, 0);
  }

  entry(chunk: number): ChunkEntry | undefined {
    return this.#entries.get(chunk);
  }

  /** Whether verbs may be posted to the cell at `address` now. */
  reaches(address: Address): boolean {
    return this.#entries.has(chunkOf(address));
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

  /** Reads the whole table again: one call. */
  *load(context: Caller): Protocol<void> {
    this.#take(yield* ask(context, { ask: "table" }));
  }

  /** Reaches a retired chunk once more, for whoever cuts its place anew. */
  reachAgain(entry: ChunkEntry): void {
    this.#chunks.set(entry.chunk, entry.node, this.#offsetOf(entry));
  }

  /** Nothing is posted to that chunk any more. */
  leave(chunk: number): void {
    this.#entries.delete(chunk);
    this.#chunks.forget(chunk);
  }

  /** Takes over what the service said; an answer older than what is known is dropped. */
  #take({ generation, chunks }: ChunkTableReply): void {
    if (generation < this.generation) return;
    this.generation = generation;
    const listed = new Set<number>();
    for (const entry of chunks) {
      if (entry.state === "retired") continue;
      listed.add(entry.chunk);
      this.#entries.set(entry.chunk, entry);
      this.#chunks.set(entry.chunk, entry.node, this.#offsetOf(entry));
    }
    for (const chunk of this.#entries.keys()) if (!listed.has(chunk)) this.leave(chunk);
  }

  #offsetOf({ place }: ChunkEntry): number {
    return regionHeaderBytes + place * this.chunkBytes;
  }
}
