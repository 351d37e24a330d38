// Free cells that this client has seen lately, by size class, and where it looks for more. Only
// hints: a cell is taken by CAS on its own state word, and whoever wins that has it. Chunks that
// were found full are not looked at again for a while, so that filling a store costs one pass.

import type { Prng } from "@pdpm/base";
import {
  type Address,
  bucketClass,
  CellState,
  decodeState,
  incarnationMost,
  slotClassCount,
  wordAt,
} from "@pdpm/layout";
import { type Protocol, read, round } from "@pdpm/verbs";
import type { ChunkTable } from "./chunk-table.ts";

/** A cell that was free when it was seen. */
export interface FreeCell {
  readonly cell: Address;
  readonly incarnation: number;
}

/** State words read in one round. */
const wordsPerRound = 64;
/** Free cells remembered per class; what this client frees beyond it is found by looking. */
const rememberedMost = 4096;

/**
 * Larger cells that a starved class takes before a chunk is asked for again: chunks empty without
 * the table saying so.
 */
const largerClaimsMost = 64;

/** One class's search through its chunks. */
class Search {
  readonly seen: FreeCell[] = [];
  /**
   * Chunks with cells that were not looked at since `full` was last cleared, and where to go on.
   */
  readonly full = new Set<number>();
  chunk = 0;
  next = 0;
  left = 0;
}

/** The hints of one client. */
export class SlotPool {
  readonly #table: ChunkTable;
  readonly #prng: Prng;
  readonly #searches = new Map<number, Search>();
  /** Classes for which no chunk could be had, and how long that is believed. */
  readonly #starved = new Map<number, { readonly generation: number; claimsLeft: number }>();

  constructor(table: ChunkTable, prng: Prng) {
    this.#table = table;
    this.#prng = prng;
  }

  /** No chunk could be had for the class: its inserts take larger cells for now. */
  starve(sizeClass: number): void {
    const { generation } = this.#table;
    this.#starved.set(sizeClass, { generation, claimsLeft: largerClaimsMost });
  }

  /** A chunk could be had. */
  feed(sizeClass: number): void {
    this.#starved.delete(sizeClass);
  }

  /**
   * Whether an insert of the class may take a larger cell, which it then does. That ends when the
   * table changes, for then a chunk may be had again, and after `largerClaimsMost` claims.
   */
  mayTakeLarger(sizeClass: number): boolean {
    const starved = this.#starved.get(sizeClass);
    if (starved === undefined) return false;
    const isOver = starved.claimsLeft === 0 || starved.generation !== this.#table.generation;
    if (isOver) this.#starved.delete(sizeClass);
    else starved.claimsLeft -= 1;
    return !isOver;
  }

  /** A cell that may be free, or undefined when none is remembered. */
  take(sizeClass: number): FreeCell | undefined {
    const { seen } = this.#search(sizeClass);
    while (seen.length > 0) {
      const cell = seen.shift() as FreeCell;
      if (this.#table.isActive(cell.cell)) return cell;
    }
    return undefined;
  }

  /** Remembers a cell that was just freed. */
  give(sizeClass: number, cell: Address, incarnation: number): void {
    const { seen } = this.#search(sizeClass);
    if (incarnation < incarnationMost && seen.length < rememberedMost) {
      seen.push({ cell, incarnation });
    }
  }

  /** Looks at one chunk that was found full again; true if there was one. */
  reconsider(sizeClass: number): boolean {
    const { full } = this.#search(sizeClass);
    for (const chunk of full) {
      full.delete(chunk);
      return true;
    }
    return false;
  }

  /** Looks until a free cell was seen or every chunk of the class is known full. */
  *lookUntilSeen(sizeClass: number): Protocol<boolean> {
    const { seen } = this.#search(sizeClass);
    while (seen.length === 0) if (!(yield* this.look(sizeClass))) return false;
    return true;
  }

  /** Looks through all chunks of the class and, for slots, of every larger one. */
  *searchAll(sizeClass: number): Protocol<boolean> {
    const last = sizeClass === bucketClass ? bucketClass : slotClassCount - 1;
    for (let candidate = sizeClass; candidate <= last; candidate += 1) {
      this.#search(candidate).full.clear();
      if (yield* this.lookUntilSeen(candidate)) return true;
    }
    return false;
  }

  /** Looks at up to 64 more cells. False when every chunk of the class is known full. */
  *look(sizeClass: number): Protocol<boolean> {
    const search = this.#search(sizeClass);
    const cells = this.#table.cellsPerChunk(sizeClass);
    if (!this.#table.isActive(this.#table.cell(search.chunk, sizeClass, 0))) search.left = 0;
    if (search.left === 0 && !this.#nextChunk(search, sizeClass, cells)) return false;
    const { chunk } = search;
    const addresses: Address[] = [];
    while (search.left > 0 && addresses.length < wordsPerRound) {
      addresses.push(this.#table.cell(chunk, sizeClass, search.next));
      search.next = (search.next + 1) % cells;
      search.left -= 1;
    }
    if (search.left === 0) search.full.add(chunk);
    const replies = yield* round(...addresses.map((address) => read(address, 8)));
    for (const [i, bytes] of (replies as Uint8Array[]).entries()) {
      const word = decodeState(wordAt(bytes, 0));
      if (word?.state !== CellState.free || word.incarnation >= incarnationMost) continue;
      search.seen.push({ cell: addresses[i] as Address, incarnation: word.incarnation });
    }
    return true;
  }

  #nextChunk(search: Search, sizeClass: number, cells: number): boolean {
    const chunk = this.#table.chunksOf(sizeClass).find((number) => !search.full.has(number));
    if (chunk === undefined) return false;
    search.chunk = chunk;
    // Clients start at different cells, so that they seldom reach for the same one.
    search.next = this.#prng.below(cells);
    search.left = cells;
    return true;
  }

  #search(sizeClass: number): Search {
    let search = this.#searches.get(sizeClass);
    if (search === undefined) {
      search = new Search();
      this.#searches.set(sizeClass, search);
    }
    return search;
  }
}
