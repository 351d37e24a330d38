// How a store's chunks are divided into spans and buffers, and where a pointer leads in them.

import {
  type Address,
  addressIn,
  bufferBytes,
  buffersPerChunk,
  buffersPerSpan,
  chunkOf,
  offsetOf,
  type Pointer,
} from "@pdpm/layout";
import type { StoreLabel } from "@pdpm/layout/region-header";
import { type ChunkRecord, chunkRecordOf } from "./records.ts";
import { type Soon, soon } from "./store.ts";
import type { Transaction } from "./transaction.ts";

/** What the service must know of the store; a store's label says the most of it. */
export interface Geometry extends Pick<StoreLabel, "chunkBytes" | "chunksMost" | "nodeCount"> {
  /** Bytes of a region before its first place. */
  readonly regionHeaderBytes: number;
}

/** The chunk that carries the root words and shortcuts, at node 0's place 0. */
export const rootPlaces = 1;

/** Buffers in a span of a chunk of this class. */
export function buffersInSpan(chunkBytes: number, sizeClass: number, span: number): number {
  const perSpan = buffersPerSpan(sizeClass);
  return Math.min(perSpan, buffersPerChunk(chunkBytes, sizeClass) - span * perSpan);
}

/** Where a buffer is recorded. */
export interface BufferPlace {
  readonly chunk: number;
  readonly span: number;
  readonly bit: number;
  readonly sizeClass: number;
}

/** The place of the buffer that `pointer` names; undefined when there is no such buffer. */
export function placeOf(
  transaction: Transaction,
  geometry: Geometry,
  pointer: Pointer,
): Soon<BufferPlace | undefined> {
  const address = addressIn(pointer);
  return soon(transaction.get(chunkRecordOf(chunkOf(address))), (record) =>
    placeIn(geometry, record, address),
  );
}

/** The same with the record of the chunk that `address` is in. */
export function placeIn(
  geometry: Geometry,
  record: ChunkRecord | undefined,
  address: Address,
): BufferPlace | undefined {
  if (record === undefined) return undefined;
  const { sizeClass } = record;
  const index = offsetOf(address) / bufferBytes(sizeClass);
  if (!Number.isInteger(index)) return undefined;
  if (index >= buffersPerChunk(geometry.chunkBytes, sizeClass)) return undefined;
  const perSpan = buffersPerSpan(sizeClass);
  const span = Math.floor(index / perSpan);
  return { chunk: chunkOf(address), span, bit: index % perSpan, sizeClass };
}
