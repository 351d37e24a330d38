// The queue of spans that belong to nobody and have free buffers, one per size class, first in,
// first out. A span is queued exactly when it is unowned and has a free buffer; its record says at
// which sequence number. New entries take the last number in the queue plus one; two commits may
// choose the same, for the span's name tells the entries apart.

import { isEmpty } from "./bitmap.ts";
import { corruptRecord, endOf } from "./record.ts";
import {
  chunkRecordOf,
  type QueueEntry,
  queueEntryIn,
  queueEntryOf,
  queuePrefix,
  type SpanRecord,
  spanOf,
} from "./records.ts";
import type { Transaction } from "./transaction.ts";

/** Entries read at first, for a lease wants few spans, and at a time at most. */
const firstPageEntries = 4;
const pageEntriesMost = 128;

/** The writing end: one per transaction, for it remembers the numbers that it gave. */
export class QueueEnd {
  readonly #transaction: Transaction;
  readonly #last = new Map<number, number>();

  constructor(transaction: Transaction) {
    this.#transaction = transaction;
  }

  /** Appends a span; the result is the sequence number for its record. */
  async append(sizeClass: number, chunk: number, span: number): Promise<number> {
    const sequence = (this.#last.get(sizeClass) ?? (await this.#lastIn(sizeClass))) + 1;
    this.#last.set(sizeClass, sequence);
    this.#transaction.put(queueEntryOf({ sizeClass, sequence, chunk, span }), true);
    return sequence;
  }

  async #lastIn(sizeClass: number): Promise<number> {
    const start = queuePrefix(sizeClass);
    const range = { start, end: endOf(start), limit: 1, reverse: true };
    const [last] = await this.#transaction.range(range);
    return last === undefined ? 0 : queueEntryIn(last.key).sequence;
  }
}

/** A span from the front of the queue. */
export interface QueuedSpan {
  readonly entry: QueueEntry;
  readonly record: SpanRecord;
}

/**
 * The spans of a class that may be leased, oldest first. Those of withdrawn chunks are passed over.
 */
export async function* queuedSpans(
  transaction: Transaction,
  sizeClass: number,
): AsyncGenerator<QueuedSpan, void> {
  const prefix = queuePrefix(sizeClass);
  const end = endOf(prefix);
  let limit = firstPageEntries;
  for (let start = prefix; ; ) {
    const page = await transaction.range({ start, end, limit });
    for (const { key } of page) {
      const entry = queueEntryIn(key);
      const span = await leasable(transaction, entry);
      if (span !== undefined) yield { entry, record: span };
    }
    if (page.length < limit) return;
    limit = Math.min(2 * limit, pageEntriesMost);
    start = `${page.at(-1)?.key}\0`;
  }
}

async function leasable(
  transaction: Transaction,
  entry: QueueEntry,
): Promise<SpanRecord | undefined> {
  // The chunk is noted: no commit leases a span of a chunk that was withdrawn meanwhile.
  const chunk = await transaction.get(chunkRecordOf(entry.chunk));
  if (chunk?.state !== "active") return undefined;
  const name = queueEntryOf(entry);
  if ((await transaction.get(name)) === undefined) return undefined;
  const record = await transaction.get(spanOf(entry.chunk, entry.span));
  const fits = record?.owner === 0 && record.sequence === entry.sequence && !isEmpty(record.free);
  if (!fits) throw corruptRecord(name.key, "names a span that is not queued there");
  return record;
}
