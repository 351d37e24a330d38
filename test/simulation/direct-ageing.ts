// Makes a simulated store old: cells of chunks that were just cut look as if they had been claimed
// and freed so often that few lives are left, or none. Nothing else can bring a cell's incarnation
// to its end within a run. What happens to it counts as the work of clients that have left: a free
// cell may change its incarnation at any moment.

import { assert, type Prng } from "@pdpm/base";
import {
  type Address,
  CellState,
  ChunkState,
  cellBytes,
  decodeTable,
  incarnationMost,
  numberOf,
  offsetOf,
  RootGeometry,
  rootWords,
  stateWord,
  wordAt,
} from "@pdpm/layout";
import { regionHeaderBytes } from "@pdpm/layout/region-header";
import type { Memory } from "@pdpm/verbs";
import { chunkBytes } from "./direct-keys.ts";

/** Cells that keep a few lives: the first ones of a chunk. The others have none. */
const usefulCells = 5;
/** Lives that such a cell has at most. */
const livesMost = 3;

/** Ages the chunks of one store. */
export class Ageing {
  readonly #memories: readonly Memory[];
  readonly #prng: Prng;
  readonly #geometry = new RootGeometry(chunkBytes);
  /** Chunks below this number have been seen to. */
  #next = 1;
  /** Cells that were given few lives. */
  aged = 0;

  constructor(memories: readonly Memory[], prng: Prng) {
    this.#memories = memories;
    this.#prng = prng;
  }

  /** Ages every chunk that was cut since the last call: those of its cells that nobody had yet. */
  look(): void {
    const count = numberOf(this.#rootWord(rootWords.tableCount));
    assert(count !== undefined, "the chunk table has a count");
    for (; this.#next < count; this.#next += 1) {
      const entry = decodeTable(this.#rootWord(this.#geometry.tableWord(this.#next)));
      if (entry?.state !== ChunkState.active) continue;
      const memory = this.#memories[entry.node] as Memory;
      const start = regionHeaderBytes + entry.place * chunkBytes;
      const bytes = cellBytes(entry.sizeClass);
      for (let i = 0; (i + 1) * bytes <= chunkBytes; i += 1)
        this.#age(memory, start + i * bytes, i);
    }
  }

  #age(memory: Memory, offset: number, index: number): void {
    const lives = index < usefulCells ? 1 + this.#prng.below(livesMost) : 0;
    const word = stateWord(CellState.free, incarnationMost - lives, 0);
    if (memory.compareAndSwap(offset, 0n, word) === 0n) this.aged += 1;
  }

  #rootWord(address: Address): bigint {
    const bytes = new Uint8Array(8);
    const [first] = this.#memories;
    assert(first !== undefined, "node 0 has the root chunk");
    first.read(regionHeaderBytes + offsetOf(address), bytes);
    return wordAt(bytes, 0);
  }
}
