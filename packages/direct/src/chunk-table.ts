// This client's copy of the chunk table. The durable one stands in the root chunk, a word per chunk
// number; this one also feeds the chunk map, by which rounds find memory.
//
// Invariants:
// - A chunk number means one size class and one place for ever; what is added here never changes,
//   and a retired number never comes back.
// - What a durable store's table says is durable before this client builds on it (H7): an entry
//   that names a cell of a chunk must not outlive the chunk in a power failure.

import { assert } from "@pdpm/base";
import {
  type Address,
  addressOf,
  bucketClass,
  ChunkState,
  cellBytes,
  chunkOf,
  decodeTable,
  isSizeClass,
  numberOf,
  type RootGeometry,
  rootWords,
  rootWordsBytes,
  type TableEntry,
  wordAt,
} from "@pdpm/layout";
import { regionHeaderBytes } from "@pdpm/layout/region-header";
import { type ChunkMap, flush, type Protocol, read, round } from "@pdpm/verbs";
import { corrupt } from "./damage.ts";

/** Table words read in one verb. */
const wordsPerRead = 8192;

/** The cached table. */
export class ChunkTable {
  readonly #chunks: ChunkMap;
  readonly #geometry: RootGeometry;
  readonly #isDurable: boolean;
  readonly #entries: (TableEntry | undefined)[] = [];
  readonly #byClass = new Map<number, number[]>();
  /** Of a chunk that is being retired: the last generation in which it certainly was not. */
  readonly #activeThrough: number[] = [];
  #preparing = { node: -1, place: -1 };
  /** Number of the last generation that was read. */
  generation = -1;

  /** `isDurable`: whether the store promises to outlive a power failure. */
  constructor(chunks: ChunkMap, geometry: RootGeometry, isDurable: boolean) {
    this.#isDurable = isDurable;
    this.#chunks = chunks;
    this.#geometry = geometry;
    chunks.set(0, 0, regionHeaderBytes);
  }

  /** Chunk numbers known so far; 0 is the root chunk. */
  get count(): number {
    return Math.max(1, this.#entries.length);
  }

  entry(chunk: number): TableEntry | undefined {
    return this.#entries[chunk];
  }

  /** Whether cells of the chunk of `address` may be read and written. */
  isActive(address: Address): boolean {
    return this.#entries[chunkOf(address)]?.state === ChunkState.active;
  }

  /**
   * Whether an operation of this epoch may follow a pointer to `address`: the chunk is active, or
   * it is being retired, but not before this operation has ended (retire-chunk.ts).
   */
  isUsable(address: Address, epoch: number): boolean {
    const chunk = chunkOf(address);
    const state = this.#entries[chunk]?.state;
    if (state !== ChunkState.retiring) return state === ChunkState.active;
    return epoch >= 0 && epoch <= (this.#activeThrough[chunk] as number);
  }

  /** Whether some chunk is being retired. */
  get isRetiring(): boolean {
    return this.#entries.some((entry) => entry?.state === ChunkState.retiring);
  }

  /** Numbers of the active chunks of a size class, oldest first. */
  chunksOf(sizeClass: number): readonly number[] {
    return this.#byClass.get(sizeClass) ?? [];
  }

  /** Every active chunk: number and size class. */
  *active(): Iterable<{ chunk: number; sizeClass: number }> {
    for (const [chunk, entry] of this.#entries.entries()) {
      if (entry?.state === ChunkState.active) yield { chunk, sizeClass: entry.sizeClass };
    }
  }

  /** The same with those that are being retired: cells in them may still be held. */
  *inUse(): Iterable<{ chunk: number; sizeClass: number }> {
    for (const [chunk, entry] of this.#entries.entries()) {
      if (entry?.state === ChunkState.retiring) yield { chunk, sizeClass: entry.sizeClass };
    }
    yield* this.active();
  }

  /** Cells that a chunk of this class has. */
  cellsPerChunk(sizeClass: number): number {
    return Math.floor(this.#geometry.chunkBytes / cellBytes(sizeClass));
  }

  /** The address of cell `index` of a chunk. */
  cell(chunk: number, sizeClass: number, index: number): Address {
    return addressOf(chunk, index * cellBytes(sizeClass));
  }

  /** Whether `address` is the start of a cell of this class in an active chunk. */
  isCell(address: Address, sizeClass: number): boolean {
    const entry = this.#entries[chunkOf(address)];
    if (entry === undefined || entry.sizeClass !== sizeClass) return false;
    const offset = address - addressOf(chunkOf(address), 0);
    const bytes = cellBytes(sizeClass);
    return offset % bytes === 0 && offset + bytes <= this.#geometry.chunkBytes;
  }

  /** Chunks in use (active or being retired), the root chunk included. */
  get chunksInUse(): number {
    let count = 1;
    for (const entry of this.#entries) {
      if (entry?.state === ChunkState.active || entry?.state === ChunkState.retiring) count += 1;
    }
    return count;
  }

  /** Of each node the chunk that stands last in its memory, the root chunk included. */
  lastChunks(): number[] {
    const last = new Map<number, { chunk: number; place: number }>([[0, { chunk: 0, place: 0 }]]);
    for (const { chunk } of this.inUse()) {
      const { node, place } = this.#entries[chunk] as TableEntry;
      if (place >= (last.get(node)?.place ?? 0)) last.set(node, { chunk, place });
    }
    return [...last.values()].map(({ chunk }) => chunk);
  }

  /** The lowest free place of each node, counting from 0; the root chunk has place 0 of node 0. */
  freePlaces(nodeCount: number): { node: number; place: number; used: number }[] {
    const used = Array.from({ length: nodeCount }, () => new Set<number>());
    used[0]?.add(0);
    for (const entry of this.#entries) {
      if (entry === undefined || entry.state === ChunkState.retired) continue;
      used[entry.node]?.add(entry.place);
    }
    return used.map((places, node) => {
      let place = 0;
      while (places.has(place)) place += 1;
      return { node, place, used: places.size };
    });
  }

  /** Makes a chunk reachable that the table does not list yet: while it is being prepared. */
  reach(chunk: number, node: number, place: number): void {
    this.#chunks.set(chunk, node, regionHeaderBytes + place * this.#geometry.chunkBytes);
    this.#preparing = { node, place };
  }

  /** Whether the place that was made reachable last carried another chunk before. */
  wasUsed(): boolean {
    const { node, place } = this.#preparing;
    return this.#entries.some((entry) => entry?.node === node && entry.place === place);
  }

  /**
   * Reads the whole table again. Two round trips, more for a table of over 8192 numbers, and one
   * to make news durable. What it says counts only if it is not older than what is known already:
   * rounds of two operations may overtake each other, and a chunk that this client has acknowledged
   * as retired must not come back.
   */
  *load(): Protocol<void> {
    const [words] = yield* round(read(rootWords.tableLock, rootWordsBytes));
    const count = numberOf(wordAt(words, rootWords.tableCount));
    const generation = numberOf(wordAt(words, rootWords.tableGeneration));
    if (count === undefined || generation === undefined || count > this.#geometry.chunkNumbers) {
      throw corrupt("the root words are damaged");
    }
    const parts: Uint8Array[] = [];
    for (let first = 0; first < count; first += wordsPerRead) {
      const length = Math.min(wordsPerRead, count - first);
      const [bytes] = yield* round(read(this.#geometry.tableWord(first), length * 8));
      parts.push(bytes);
    }
    if (this.#isDurable && (generation > this.generation || count > this.count)) {
      const words = flush(this.#geometry.tableWord(0), Math.max(1, count) * 8);
      yield* round(words, flush(rootWords.tableLock, rootWordsBytes));
    }
    // Behind the last round: another operation may have read something newer meanwhile.
    if (generation < this.generation) return;
    for (const [part, bytes] of parts.entries()) {
      for (let i = 0; i < bytes.length / 8; i += 1) {
        this.#take(part * wordsPerRead + i, wordAt(bytes, i * 8));
      }
    }
    this.generation = generation;
  }

  #take(chunk: number, word: bigint): void {
    if (chunk === 0) return;
    const entry = decodeTable(word);
    if (entry === undefined || entry.state === ChunkState.unused || !isSizeClass(entry.sizeClass)) {
      throw corrupt(`the table word of chunk ${chunk} is damaged`);
    }
    const before = this.#entries[chunk];
    this.#entries[chunk] = entry;
    if (entry.state === ChunkState.retired) this.#chunks.forget(chunk);
    else {
      const place = regionHeaderBytes + entry.place * this.#geometry.chunkBytes;
      this.#chunks.set(chunk, entry.node, place);
    }
    if (before?.state === entry.state) return;
    if (entry.state === ChunkState.retiring) {
      this.#activeThrough[chunk] = this.generation;
    }
    const list = (this.#byClass.get(entry.sizeClass) ?? []).filter((other) => other !== chunk);
    if (entry.state === ChunkState.active) list.push(chunk);
    this.#byClass.set(entry.sizeClass, list);
    assert(entry.sizeClass <= bucketClass, `size class ${entry.sizeClass}`);
  }
}
