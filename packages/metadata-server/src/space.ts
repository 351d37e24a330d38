// Who owns which span, and which of its buffers are leased, free or spent.
//
// What holds after every commit:
// - A buffer is in at most one of the three bitmaps; in none means taken: live, or not collected
//   yet.
// - `leased` has bits only while the span has an owner, and the owner's list names exactly its
//   spans.
// - A span without an owner is in the queue exactly when it has a free buffer.
// - A free or spent buffer is never freed again: that would hand it out twice (PDPM_CORRUPT).

import { PdpmError } from "@pdpm/base";
import {
  type Address,
  addressIn,
  chunkOf,
  gcVersionIn,
  gcVersionMost,
  type Pointer,
  pointerText,
} from "@pdpm/layout";
import {
  clearBit,
  countBits,
  difference,
  emptyBitmap,
  hasBit,
  intersection,
  isEmpty,
  padded,
  setBit,
  union,
} from "./bitmap.ts";
import { QueueEnd, queuedSpans } from "./free-queue.ts";
import { type BufferPlace, type Geometry, placeIn, placeOf } from "./geometry.ts";
import { bitmapBytes, type ReturnedPart, type SpanPart } from "./protocol.ts";
import {
  type ChunkRecord,
  chunkRecordOf,
  leasedOf,
  queueEntryOf,
  type SpanRecord,
  spanOf,
} from "./records.ts";
import type { Transaction } from "./transaction.ts";

/** Spans in one lease at most: they are one commit, and stand in the stored reply. */
export const leaseSpansMost = 256;

const spansPerChunkMost = 2 ** 16;
const none = new Uint8Array(bitmapBytes);

/** A span as one number, for a client's list. */
function spanNumber(chunk: number, span: number): number {
  return chunk * spansPerChunkMost + span;
}

/** Whole spans from the front of the queue, until they have `buffers` free buffers. */
export async function leaseSpans(
  transaction: Transaction,
  client: number,
  sizeClass: number,
  buffers: number,
): Promise<readonly SpanPart[]> {
  const parts: SpanPart[] = [];
  const owned = [...((await transaction.get(leasedOf(client))) ?? [])];
  let left = buffers;
  for await (const { entry, record } of queuedSpans(transaction, sizeClass)) {
    const { chunk, span } = entry;
    const free = emptyBitmap(record.free.length * 8);
    transaction.put(queueEntryOf(entry), undefined);
    transaction.put(spanOf(chunk, span), {
      ...record,
      owner: client,
      sequence: 0,
      leased: record.free,
      free,
    });
    owned.push(spanNumber(chunk, span));
    parts.push({ chunk, span, bitmap: padded(record.free, bitmapBytes) });
    left -= countBits(record.free);
    if (left <= 0 || parts.length === leaseSpansMost) break;
  }
  if (parts.length > 0) transaction.put(leasedOf(client), owned);
  return parts;
}

/** The spans that a client owns, with the buffers that are leased in them. */
export async function leasedParts(
  transaction: Transaction,
  client: number,
): Promise<readonly SpanPart[]> {
  const parts: SpanPart[] = [];
  for (const number of (await transaction.get(leasedOf(client))) ?? []) {
    const chunk = Math.floor(number / spansPerChunkMost);
    const span = number % spansPerChunkMost;
    const record = await transaction.require(spanOf(chunk, span));
    // Given back since the list was read.
    if (record.owner !== client) continue;
    parts.push({ chunk, span, bitmap: padded(record.leased, bitmapBytes) });
  }
  return parts;
}

/** Whether `pointer` names a buffer that is leased to `client`. */
export async function isLeasedTo(
  transaction: Transaction,
  geometry: Geometry,
  pointer: Pointer,
  client: number,
): Promise<boolean> {
  const place = await placeOf(transaction, geometry, pointer);
  if (place === undefined) return false;
  const record = await transaction.require(spanOf(place.chunk, place.span));
  return record.owner === client && hasBit(record.leased, place.bit);
}

/** A span while a transaction changes it: bitmaps of its own, changed in place. */
type OpenSpan = { -readonly [F in keyof SpanRecord]: SpanRecord[F] };

/**
 * Returns buffers in one transaction. Thousands are freed in one commit, most of them in spans and
 * chunks that others of them are in, too: each of those is read once.
 */
export class SpaceWriter {
  readonly #transaction: Transaction;
  readonly #geometry: Geometry;
  readonly #queue: QueueEnd;
  readonly #chunks = new Map<number, ChunkRecord | undefined>();
  readonly #open = new Map<number, OpenSpan>();
  /** Spans as they were peeked at: grounds for a suspicion, no more. */
  readonly #peeked = new Map<number, SpanRecord | undefined>();

  constructor(transaction: Transaction, geometry: Geometry) {
    this.#transaction = transaction;
    this.#geometry = geometry;
    this.#queue = new QueueEnd(transaction);
  }

  /**
   * Frees buffers that were live, whoever leases their spans: a version may be superseded before
   * its writer has given the span back. In the last life that its GC version allows one is spent
   * instead.
   */
  async free(pointers: readonly Pointer[]): Promise<void> {
    for (const pointer of pointers) {
      const address = addressIn(pointer);
      if (!this.#chunks.has(chunkOf(address))) await this.#readChunk(address);
      const place = this.#placeOf(address);
      if (place === undefined) throw damaged(pointer, "is in no chunk");
      const { chunk, span, bit, sizeClass } = place;
      const record = this.#open.get(spanNumber(chunk, span)) ?? (await this.#openSpan(chunk, span));
      if (hasBit(record.free, bit) || hasBit(record.spent, bit)) throw damaged(pointer, "is free");
      clearBit(record.leased, bit);
      setBit(gcVersionIn(pointer) === gcVersionMost ? record.spent : record.free, bit);
      if (isDue(record)) await this.#queueUp(sizeClass, chunk, span, record);
    }
  }

  /** Whether the buffer is free or spent. */
  async isFree(pointer: Pointer): Promise<boolean> {
    const address = addressIn(pointer);
    if (!this.#chunks.has(chunkOf(address))) await this.#readChunk(address);
    const place = this.#placeOf(address);
    if (place === undefined) return true;
    const { chunk, span, bit } = place;
    const free = (record: SpanRecord | undefined): boolean =>
      record === undefined || hasBit(record.free, bit) || hasBit(record.spent, bit);
    const number = spanNumber(chunk, span);
    const open = this.#open.get(number);
    if (open !== undefined) return free(open);
    const name = spanOf(chunk, span);
    if (!this.#peeked.has(number)) this.#peeked.set(number, await this.#transaction.peek(name));
    // Only a suspicion makes the commit depend on the span, which others change all the time.
    return free(this.#peeked.get(number)) && free(await this.#transaction.get(name));
  }

  /**
   * Ends a lease of a span: the unused buffers are free, those whose GC version is used up are
   * spent, the other leased ones are live by now. One that was linked after all, and has been
   * freed, may be named as unused. A span that `owner` does not own was given back.
   */
  async giveBack(owner: number, part: ReturnedPart): Promise<void> {
    const { chunk, span } = part;
    const chunkRecord = await this.#transaction.get(chunkRecordOf(chunk));
    const found = await this.#transaction.get(spanOf(chunk, span));
    if (chunkRecord === undefined || found?.owner !== owner) return;
    const { leased, free, spent } = found;
    const named = union(part.bitmap, part.spent ?? none);
    if (!isEmpty(difference(named, union(leased, union(free, spent))))) {
      throw new PdpmError(
        "PDPM_INVALID_ARGUMENT",
        `span ${span} of chunk ${chunk} has no such buffers leased to client ${owner}`,
      );
    }
    const nowSpent = intersection(leased, part.spent ?? none);
    const nowFree = difference(intersection(leased, part.bitmap), nowSpent);
    const list = leasedOf(owner);
    const owned = await this.#transaction.require(list);
    const number = spanNumber(chunk, span);
    this.#transaction.put(
      list,
      owned.filter((other) => other !== number),
    );
    const record = await this.#openSpan(chunk, span);
    record.owner = 0;
    record.leased = emptyBitmap(leased.length * 8);
    record.free = union(free, nowFree);
    record.spent = union(spent, nowSpent);
    if (isDue(record)) await this.#queueUp(chunkRecord.sizeClass, chunk, span, record);
  }

  async #readChunk(address: Address): Promise<void> {
    const chunk = chunkOf(address);
    this.#chunks.set(chunk, await this.#transaction.get(chunkRecordOf(chunk)));
  }

  /** The place at `address`, in a chunk that was read. */
  #placeOf(address: Address): BufferPlace | undefined {
    return placeIn(this.#geometry, this.#chunks.get(chunkOf(address)), address);
  }

  /** The span as this transaction will write it. */
  async #openSpan(chunk: number, span: number): Promise<OpenSpan> {
    const number = spanNumber(chunk, span);
    const known = this.#open.get(number);
    if (known !== undefined) return known;
    const name = spanOf(chunk, span);
    const { leased, free, spent, ...found } = await this.#transaction.require(name);
    const record = { ...found, leased: leased.slice(), free: free.slice(), spent: spent.slice() };
    this.#open.set(number, record);
    this.#transaction.put(name, record);
    return record;
  }

  async #queueUp(sizeClass: number, chunk: number, span: number, record: OpenSpan): Promise<void> {
    record.sequence = await this.#queue.append(sizeClass, chunk, span);
  }
}

/** Whether a span belongs into the queue and is not there yet. */
function isDue({ owner, sequence, free }: SpanRecord): boolean {
  return owner === 0 && sequence === 0 && !isEmpty(free);
}

function damaged(pointer: Pointer, reason: string): PdpmError {
  return new PdpmError(
    "PDPM_CORRUPT",
    `the buffer at ${pointerText(pointer)} was to be freed, but it ${reason}`,
  );
}
