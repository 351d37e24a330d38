// Taking back what a dead coordinator held: it can post nothing any more. Every cell leased to it
// is settled by the record of the key that stands in it (H9, H23):
//
// - The record names the cell, as the live one or as a superseded one: it stays taken. That goes
//   for a wiped cell, too, whose delete stopped halfway.
// - Else it was never mapped: wiped, durably, and free.
// - Bytes that are no cell were torn by the death of their writer, or are a live cell that was
//   damaged since. They are a suspect: free only after every key's record was seen, and none names
//   it.
//
// So a span with suspects stays with the dead until the sweep is through (sweep.ts).

import { type Key, keyBytes, keyBytesMost, toKey } from "@pdpm/kv";
import {
  type Address,
  addressIn,
  type BufferHeader,
  bufferFields,
  bufferHeaderBytes,
  decodeBufferHeader,
  type Pointer,
  wordAt,
} from "@pdpm/layout";
import {
  bitmapBytes,
  type LookupReply,
  type ReturnedPart,
  type SpanPart,
} from "@pdpm/metadata-server/protocol";
import { compareAndSwap, type Protocol, read, round } from "@pdpm/verbs";
import { ask, change } from "./calls.ts";
import { type Cell, cellsIn, setBit } from "./cell-pool.ts";
import { corruptSpace } from "./damage.ts";
import type { Context } from "./session.ts";
import { wipeFlushes } from "./wipe.ts";

/** Bytes read of each cell at first: its header, and most keys. The smallest cell has as many. */
const headBytes = 128;

/** Takes back everything of `dead`, but for spans with suspects, which wait for the sweep. */
export function* reap(context: Context, dead: number): Protocol<void> {
  const { sweep, events } = context.session;
  if (sweep.owing.has(dead)) return;
  for (const part of yield* ask(context, { ask: "leases", client: dead })) {
    const { returned, suspects } = yield* examine(context, part);
    if (suspects.length === 0) yield* settle(context, dead, returned);
    else sweep.owing.add(dead);
    for (const { address } of suspects) sweep.suspects.add(address);
    events.recoveries += 1;
  }
  // It may have superseded cells that nobody cleaned, of any key.
  sweep.begin();
  if (!sweep.owing.has(dead)) yield* bury(context, dead);
}

/** The sweep is through: suspects that nobody named are free. */
export function* reapSuspects(context: Context): Protocol<void> {
  const { sweep } = context.session;
  for (const dead of sweep.owing) {
    for (const part of yield* ask(context, { ask: "leases", client: dead })) {
      const { returned, suspects } = yield* examine(context, part);
      for (const { address, bit } of suspects) {
        if (!sweep.suspects.has(address)) continue;
        yield* wipeAt(context, address);
        setBit(returned.bitmap, bit);
      }
      yield* settle(context, dead, returned);
    }
    yield* bury(context, dead);
    sweep.owing.delete(dead);
  }
  sweep.suspects.clear();
}

function* settle(context: Context, dead: number, returned: ReturnedPart): Protocol<void> {
  yield* change(context, { do: "settle", dead, spans: [returned] });
}

function* bury(context: Context, dead: number): Protocol<void> {
  if ((yield* change(context, { do: "bury", dead })) === "buried") context.session.buried(dead);
}

/** Which leased cells of a span are free, and which are suspects; the others are named. */
function* examine(
  context: Context,
  part: SpanPart,
): Protocol<{ readonly returned: ReturnedPart; readonly suspects: readonly Cell[] }> {
  const cells = cellsIn(part, yield* classOf(context, part.chunk));
  const bitmap = new Uint8Array(bitmapBytes);
  const suspects: Cell[] = [];
  const reads = cells.map(({ address }) => read(address, headBytes));
  const heads = reads.length === 0 ? [] : ((yield* round(...reads)) as Uint8Array[]);
  const wiped: Pointer[] = [];
  // Of each key once: many lives of one key may stand in a span. What is not named stays so.
  const records = new Map<Key, LookupReply>();
  for (const [i, cell] of cells.entries()) {
    const { address, bit } = cell;
    const head = heads[i] as Uint8Array;
    const header = decodeBufferHeader(head);
    if (isCellAt(address, header)) {
      const key = yield* keyIn(address, header, head);
      const record = records.get(key) ?? (yield* lookUp(context, key));
      records.set(key, record);
      if (record.head === header.self || record.stale.includes(header.self)) continue;
      if (header.headMark !== 0n) yield* wipeAt(context, address);
      else wiped.push(header.self);
    } else if (head.some((byte) => byte !== 0)) {
      suspects.push(cell);
      continue;
    }
    setBit(bitmap, bit);
  }
  // Whoever wiped them may have died before his flush.
  const flushes = wipeFlushes(context.session, wiped);
  if (flushes.length > 0) yield* round(...flushes);
  return { returned: { chunk: part.chunk, span: part.span, bitmap }, suspects };
}

function isCellAt(address: Address, header: BufferHeader | undefined): header is BufferHeader {
  if (header === undefined || addressIn(header.self) !== address) return false;
  return header.keyBytes >= 1 && header.keyBytes <= keyBytesMost;
}

/** The key that stands in a cell, whole or torn. */
function* keyIn(address: Address, { keyBytes }: BufferHeader, head: Uint8Array): Protocol<Key> {
  const end = bufferHeaderBytes + keyBytes;
  if (end <= head.length) return toKey(head.subarray(bufferHeaderBytes, end));
  const [bytes] = yield* round(read(address + bufferHeaderBytes, keyBytes));
  return toKey(bytes);
}

function* lookUp(context: Context, key: Key): Protocol<LookupReply> {
  const record = yield* ask(context, { ask: "lookup", key: keyBytes(key) });
  if (record.stale.length > 0) context.session.stale.add(key, record.stale);
  return record;
}

/** Wipes whatever mark stands there: nobody else writes this cell any more. */
function* wipeAt(context: Context, address: Address): Protocol<void> {
  const at = address + bufferFields.headMark;
  const [bytes] = yield* round(read(at, 8));
  yield* round(compareAndSwap(at, wordAt(bytes, 0), 0n), ...context.session.flushes(at, 8));
}

function* classOf(context: Context, chunk: number): Protocol<number> {
  const { table } = context.session;
  if (table.entry(chunk) === undefined) yield* table.load(context);
  const entry = table.entry(chunk);
  if (entry === undefined) throw corruptSpace(`a span of chunk ${chunk}, which is not there`);
  return entry.sizeClass;
}
