// What a repair of a Clover store would find in memory if the directory were lost (H23): of the
// versions that verify and count, because they carry a head mark or are reached from one by links,
// the one with the highest number that nothing was linked behind is the key's value.
//
// A version that leads on, or was sealed, is nobody's value any more, also when what it leads to
// cannot be read: a freed head keeps its mark until it is written anew.

import { type Key, toKey } from "@pdpm/kv";
import {
  addressIn,
  addressOf,
  type BufferHeader,
  bufferBytes,
  bufferHeaderBytes,
  buffersPerChunk,
  bufferValueOffset,
  checkBody,
  decodeBufferHeader,
  isHeadMark,
  linkIn,
  type Pointer,
} from "@pdpm/layout";
import { regionHeaderBytes } from "@pdpm/layout/region-header";
import type { KeyedRecord, MemoryStore } from "@pdpm/metadata-server";
import type { Memory } from "@pdpm/verbs";
import type { ChunkRecord } from "../../packages/metadata-server/src/records.ts";
import { chunkBytes } from "./plan-parts.ts";
import { chunksOf, highWaterIn, recordsOf } from "./space-audit.ts";

/** What a store is made of. */
export interface StoreParts {
  readonly store: MemoryStore;
  readonly memories: readonly Memory[];
}

/** A version that verifies. */
export interface StoredVersion extends BufferHeader {
  readonly key: Key;
  readonly value: Uint8Array;
}

/** Everything that verifies in the chunks of a store. */
export class StoredVersions {
  readonly versions: Map<Pointer, StoredVersion> = new Map<Pointer, StoredVersion>();
  /** No commit number above it was used, says memory node 0. */
  readonly highWater: number;
  readonly #parts: StoreParts;

  private constructor(parts: StoreParts) {
    this.#parts = parts;
    this.highWater = highWaterIn(parts.memories);
  }

  static async read(parts: StoreParts): Promise<StoredVersions> {
    const stored = new StoredVersions(parts);
    for (const [chunk, record] of await chunksOf(parts.store)) {
      if (record.state !== "retired") stored.#readChunk(chunk, record);
    }
    return stored;
  }

  /** Records of the metadata store that begin with `prefix`. */
  records(prefix: string): Promise<readonly KeyedRecord[]> {
    return recordsOf(this.#parts.store, prefix);
  }

  #readChunk(chunk: number, { sizeClass, node, place }: ChunkRecord): void {
    const bytes = bufferBytes(sizeClass);
    const start = regionHeaderBytes + place * chunkBytes;
    for (let i = 0; i < buffersPerChunk(chunkBytes, sizeClass); i += 1) {
      const image = new Uint8Array(bytes);
      this.#parts.memories[node]?.read(start + i * bytes, image);
      this.#decode(addressOf(chunk, i * bytes), image);
    }
  }

  #decode(address: number, image: Uint8Array): void {
    const header = decodeBufferHeader(image);
    if (header === undefined || addressIn(header.self) !== address) return;
    const valueStart = bufferValueOffset(header.keyBytes);
    const end = valueStart + header.valueBytes;
    if (end > image.length || checkBody(image, header) !== "ok") return;
    const key = toKey(image.slice(bufferHeaderBytes, bufferHeaderBytes + header.keyBytes));
    this.versions.set(header.self, { ...header, key, value: image.slice(valueStart, end) });
  }

  /** The keys, and their latest versions, that a repair would find. */
  repair(): ReadonlyMap<Key, StoredVersion> {
    const latest = new Map<Key, StoredVersion>();
    for (const version of this.#counting()) {
      if (linkIn(version.self, version.link) !== "end") continue;
      const other = latest.get(version.key);
      if (other === undefined || other.commitNumber < version.commitNumber) {
        latest.set(version.key, version);
      }
    }
    return latest;
  }

  /** The versions that carry a mark, and those that their links lead to. */
  #counting(): Iterable<StoredVersion> {
    const counting = new Set<StoredVersion>();
    for (const marked of this.versions.values()) {
      if (!isHeadMark(marked.self, marked.headMark)) continue;
      let version: StoredVersion | undefined = marked;
      while (version !== undefined && version.key === marked.key && !counting.has(version)) {
        counting.add(version);
        const link = linkIn(version.self, version.link);
        version = typeof link === "bigint" ? this.versions.get(link) : undefined;
      }
    }
    return counting;
  }
}
