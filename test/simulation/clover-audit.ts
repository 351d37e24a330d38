// Looks at a whole Clover store while nobody works on it, after everything was given back and
// collected: directory, space and memory must say the same, buffer by buffer.
//
// - Every buffer is exactly one of live, free and spent. Nobody leases anything. The live ones are
//   the heads of the directory's keys, one a key, each at the end of its chain, with its head mark.
// - A repair without the directory would find the same (H23): of the versions that verify and
//   count, because they carry a head mark or are reached from one by links, the one with the
//   highest number that nothing was linked behind is the key's value; for a key that does not exist
//   there is none.

import { type Key, toKey } from "@pdpm/kv";
import {
  addressIn,
  addressOf,
  type BufferHeader,
  bufferBytes,
  bufferHeaderBytes,
  buffersPerChunk,
  buffersPerSpan,
  bufferValueOffset,
  checkBody,
  chunkOf,
  decodeBufferHeader,
  headMarkOf,
  linkIn,
  offsetOf,
  type Pointer,
  pointerText,
} from "@pdpm/layout";
import { regionHeaderBytes } from "@pdpm/layout/region-header";
import type { MemoryStore } from "@pdpm/metadata-server";
import type { Memory } from "@pdpm/verbs";
import { decodeRecord, endOf } from "../../packages/metadata-server/src/record.ts";
import {
  type ChunkRecord,
  chunkIn,
  chunkRecordOf,
  chunksPrefix,
  directoryOf,
  keyIn,
  spanOf,
  spansPrefix,
} from "../../packages/metadata-server/src/records.ts";

/** A version that verifies. */
interface Version extends BufferHeader {
  readonly key: Key;
}

/** What the store is made of. */
export interface AuditedStore {
  readonly store: MemoryStore;
  readonly memories: readonly Memory[];
  readonly chunkBytes: number;
}

/** What the audit found. */
export interface AuditReport {
  readonly problems: readonly string[];
  readonly live: number;
  readonly free: number;
  readonly spent: number;
}

/** See above. */
export async function auditStore(parts: AuditedStore): Promise<AuditReport> {
  return new Audit(parts).run();
}

class Audit {
  readonly #parts: AuditedStore;
  readonly #problems: string[] = [];
  readonly #chunks = new Map<number, ChunkRecord>();
  /** Buffers that are neither leased nor free nor spent, by address. */
  readonly #taken = new Set<number>();
  readonly #versions = new Map<Pointer, Version>();
  #free = 0;
  #spent = 0;

  constructor(parts: AuditedStore) {
    this.#parts = parts;
  }

  async run(): Promise<AuditReport> {
    for (const { key, value } of await this.#all(chunksPrefix)) {
      const chunk = chunkIn(key);
      this.#chunks.set(chunk, decodeRecord(chunkRecordOf(chunk), value));
      await this.#readChunk(chunk);
    }
    const heads = new Map<Key, Pointer>();
    for (const { key: name, value } of await this.#all("directory/")) {
      const key = keyIn(name);
      heads.set(toKey(key), decodeRecord(directoryOf(key), value).head);
    }
    for (const [key, head] of heads) this.#checkHead(key, head);
    for (const address of this.#taken) {
      const place = `chunk ${chunkOf(address)} + ${offsetOf(address)}`;
      this.#problems.push(`the buffer at ${place} is taken, but belongs to no key`);
    }
    this.#checkRepair(heads);
    const live = heads.size;
    return { problems: this.#problems, live, free: this.#free, spent: this.#spent };
  }

  #all(prefix: string) {
    return this.#parts.store.range({ start: prefix, end: endOf(prefix), limit: 2 ** 20 });
  }

  async #readChunk(chunk: number): Promise<void> {
    const { sizeClass, state } = this.#chunks.get(chunk) as ChunkRecord;
    const perSpan = buffersPerSpan(sizeClass);
    const count = buffersPerChunk(this.#parts.chunkBytes, sizeClass);
    const records = await this.#all(spansPrefix(chunk));
    if (records.length !== Math.ceil(count / perSpan)) {
      this.#problems.push(`chunk ${chunk} has ${records.length} spans`);
    }
    for (const [span, { value }] of records.entries()) {
      const name = `span ${span} of chunk ${chunk}`;
      const record = decodeRecord(spanOf(chunk, span), value);
      const { owner, leased, free, spent, sequence } = record;
      if (owner !== 0) this.#problems.push(`${name} belongs to client ${owner}`);
      let freeHere = 0;
      for (let n = 0; n < Math.min(perSpan, count - span * perSpan); n += 1) {
        const [isLeased, isFree, isSpent] = [leased, free, spent].map((bits) => hasBit(bits, n));
        if (Number(isLeased) + Number(isFree) + Number(isSpent) > 1) {
          this.#problems.push(`buffer ${n} of ${name} is two things at once`);
        }
        if (isLeased) this.#problems.push(`buffer ${n} of ${name} is leased`);
        if (isFree) freeHere += 1;
        if (isSpent) this.#spent += 1;
        const address = addressOf(chunk, (span * perSpan + n) * bufferBytes(sizeClass));
        if (!isLeased && !isFree && !isSpent) this.#taken.add(address);
        if (state !== "retired") this.#readVersion(address);
      }
      this.#free += freeHere;
      if (sequence > 0 !== freeHere > 0) {
        this.#problems.push(`${name} with ${freeHere} free buffers is queued at ${sequence}`);
      }
    }
  }

  #readVersion(address: number): void {
    const { sizeClass, node, place } = this.#chunks.get(chunkOf(address)) as ChunkRecord;
    const bytes = new Uint8Array(bufferBytes(sizeClass));
    const start = regionHeaderBytes + place * this.#parts.chunkBytes;
    this.#parts.memories[node]?.read(start + offsetOf(address), bytes);
    const header = decodeBufferHeader(bytes);
    if (header === undefined || addressIn(header.self) !== address) return;
    if (bufferValueOffset(header.keyBytes) + header.valueBytes > bytes.length) return;
    if (checkBody(bytes, header) !== "ok") return;
    const key = bytes.slice(bufferHeaderBytes, bufferHeaderBytes + header.keyBytes);
    this.#versions.set(header.self, { ...header, key: toKey(key) });
  }

  #checkHead(key: Key, head: Pointer): void {
    const wrong = (what: string): void => {
      this.#problems.push(`the head of ${key}, at ${pointerText(head)}, ${what}`);
    };
    if (!this.#taken.delete(addressIn(head))) wrong("is free, or two keys' head");
    const version = this.#versions.get(head);
    if (version === undefined) wrong("does not verify");
    else if (version.key !== key) wrong(`is a version of ${version.key}`);
    else if (linkIn(head, version.link) !== "end") wrong("is not the end of its chain");
    else if (version.headMark !== headMarkOf(head)) wrong("has no head mark");
  }

  #checkRepair(heads: ReadonlyMap<Key, Pointer>): void {
    const latest = new Map<Key, Version>();
    for (const version of this.#counting()) {
      const other = latest.get(version.key);
      if (linkIn(version.self, version.link) !== "end") continue;
      if (other === undefined || other.commitNumber < version.commitNumber) {
        latest.set(version.key, version);
      }
    }
    for (const [key, { self }] of latest) {
      if (heads.get(key) === self) continue;
      const what = heads.has(key) ? "which is not its value" : "which was deleted";
      this.#problems.push(`a repair would revive ${key} at ${pointerText(self)}, ${what}`);
    }
    for (const key of heads.keys()) {
      if (!latest.has(key)) this.#problems.push(`a repair would not find ${key}`);
    }
  }

  /** The versions that carry a mark, and those that their links lead to. */
  #counting(): Iterable<Version> {
    const counting = new Set<Version>();
    for (const marked of this.#versions.values()) {
      if (marked.headMark !== headMarkOf(marked.self)) continue;
      let version: Version | undefined = marked;
      while (version !== undefined && version.key === marked.key && !counting.has(version)) {
        counting.add(version);
        const link = linkIn(version.self, version.link);
        version = typeof link === "bigint" ? this.#versions.get(link) : undefined;
      }
    }
    return counting;
  }
}

function hasBit(bitmap: Uint8Array, n: number): boolean {
  return ((bitmap[n >> 3] ?? 0) & (1 << (n & 7))) !== 0;
}
