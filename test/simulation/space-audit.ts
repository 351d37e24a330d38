// The space of a store of Clover or Central as its metadata service records it, looked at while
// nobody works on it and nothing is leased: every buffer is exactly one of taken, free and spent.

import type { Breach } from "@pdpm/base";
import type { StoreAccount } from "@pdpm/checker";
import {
  addressOf,
  bufferBytes,
  buffersPerChunk,
  buffersPerSpan,
  numberOf,
  wordAt,
} from "@pdpm/layout";
import { headerWordOffset } from "@pdpm/layout/region-header";
import type { KeyedRecord, MemoryStore } from "@pdpm/metadata-server";
import type { Memory } from "@pdpm/verbs";
import { decodeRecord, endOf } from "../../packages/metadata-server/src/record.ts";
import {
  type ChunkRecord,
  chunkIn,
  chunkRecordOf,
  chunksPrefix,
  spanOf,
  spansPrefix,
} from "../../packages/metadata-server/src/records.ts";

/** Records of the metadata store that begin with `prefix`. */
export function recordsOf(store: MemoryStore, prefix: string): Promise<readonly KeyedRecord[]> {
  return store.range({ start: prefix, end: endOf(prefix), limit: 2 ** 20 });
}

/** The chunks of a store, by number. */
export async function chunksOf(store: MemoryStore): Promise<ReadonlyMap<number, ChunkRecord>> {
  const chunks = new Map<number, ChunkRecord>();
  for (const { key, value } of await recordsOf(store, chunksPrefix)) {
    const chunk = chunkIn(key);
    chunks.set(chunk, decodeRecord(chunkRecordOf(chunk), value));
  }
  return chunks;
}

/** The high-water mark of commit numbers, in the header of memory node 0 (H23). */
export function highWaterIn(memories: readonly Memory[]): number {
  const bytes = new Uint8Array(8);
  memories[0]?.read(headerWordOffset.commitHighWater, bytes);
  return numberOf(wordAt(bytes, 0)) ?? 0;
}

/** The account of a store, and its buffers that are not in use. */
export interface AuditReport extends StoreAccount {
  readonly free: number;
  readonly spent: number;
}

/** See above. */
export class SpaceAudit {
  readonly problems: Breach[] = [];
  /** Buffers that are neither leased nor free nor spent, by address. */
  readonly taken: Set<number> = new Set<number>();
  readonly #store: MemoryStore;
  readonly #chunkBytes: number;
  readonly #owners = new Set<number>();
  #live = 0;
  #leased = 0;
  #free = 0;
  #spent = 0;

  private constructor(store: MemoryStore, chunkBytes: number) {
    this.#store = store;
    this.#chunkBytes = chunkBytes;
  }

  #wrong(text: string): void {
    this.problems.push({ invariant: "I8", text });
  }

  static async run(store: MemoryStore, chunkBytes: number): Promise<SpaceAudit> {
    const audit = new SpaceAudit(store, chunkBytes);
    for (const [chunk, record] of await chunksOf(store)) await audit.#readSpans(chunk, record);
    return audit;
  }

  /** The account of a store with so many keys, of which `problems` are known as well. */
  report(keys: number, problems: readonly Breach[], clientsLeft: readonly number[]): AuditReport {
    return {
      problems: [...this.problems, ...problems],
      keys,
      cellsLive: this.#live,
      cellsOfIndex: 0,
      cellsUncommitted: this.#leased,
      heldBy: [...this.#owners],
      clientsLeft,
      free: this.#free,
      spent: this.#spent,
    };
  }

  async #readSpans(chunk: number, { sizeClass }: ChunkRecord): Promise<void> {
    const perSpan = buffersPerSpan(sizeClass);
    const count = buffersPerChunk(this.#chunkBytes, sizeClass);
    const records = await recordsOf(this.#store, spansPrefix(chunk));
    if (records.length !== Math.ceil(count / perSpan)) {
      this.#wrong(`chunk ${chunk} has ${records.length} spans`);
    }
    for (const [span, { value }] of records.entries()) {
      const name = `span ${span} of chunk ${chunk}`;
      const record = decodeRecord(spanOf(chunk, span), value);
      const { owner, leased, free, spent, sequence } = record;
      if (owner !== 0) this.#owners.add(owner);
      let freeHere = 0;
      for (let n = 0; n < Math.min(perSpan, count - span * perSpan); n += 1) {
        const [isLeased, isFree, isSpent] = [leased, free, spent].map((bits) => hasBit(bits, n));
        if (Number(isLeased) + Number(isFree) + Number(isSpent) > 1) {
          this.#wrong(`buffer ${n} of ${name} is two things at once`);
        }
        if (isLeased) this.#leased += 1;
        if (isFree) freeHere += 1;
        if (isSpent) this.#spent += 1;
        if (isLeased || isFree || isSpent) continue;
        this.taken.add(addressOf(chunk, (span * perSpan + n) * bufferBytes(sizeClass)));
        this.#live += 1;
      }
      this.#free += freeHere;
      if (sequence > 0 !== freeHere > 0) {
        this.#wrong(`${name} with ${freeHere} free buffers is queued at ${sequence}`);
      }
    }
  }
}

function hasBit(bitmap: Uint8Array, n: number): boolean {
  return ((bitmap[n >> 3] ?? 0) & (1 << (n & 7))) !== 0;
}
