// The records of the metadata store: their keys, and their values as bytes.
//
//   directory/KEY                    a key's head, and cells that wait to be cleaned
//   span/CHUNK/SPAN                  owner and bitmaps of a span of buffers
//   free/CLASS/SEQUENCE/CHUNK/SPAN   the queue of unowned spans with free buffers, oldest first
//   chunk/CHUNK                      node, place, class and state of a chunk
//   table                            generation, pressure, places in use, the next chunk number
//   client/ID                        a client, and whether it is live
//   acknowledged/ID                  the generation that it has acknowledged
//   leased/ID                        the spans it owns
//   slot/ID/SLOT                     the last change of a call slot, with its reply
//   buried                           ids of clients that are gone
//   floor/SHARD                      commit numbers of a new life of a key start above it
//   office/NAME                      who holds an office
//
// Numbers in keys are in hexadecimal, of fixed width, so that they sort. Source: FORMAT.md section
// 14.

import { isPointer, type Pointer } from "@pdpm/layout";
import type { ChunkStateName, ClientRecord, Office } from "./protocol.ts";
import { corruptRecord, hex, type RecordKind, type RecordName } from "./record.ts";
import type { RecordReader } from "./record-bytes.ts";
import { type ReplyValue, readReply, writeReply } from "./reply-value.ts";
import type { StoreKey } from "./store.ts";

function readPointer(from: RecordReader): Pointer {
  const word = from.word();
  if (!isPointer(word)) from.refuse();
  return word;
}

/** Reads one of `names` by its index. */
function readName<T extends string>(from: RecordReader, names: readonly T[]): T {
  const name = names[from.byte()];
  if (name === undefined) from.refuse();
  return name ?? (names[0] as T);
}

/** Where a key's chain or cell is. */
export interface DirectoryRecord {
  readonly head: Pointer;
  readonly stale: readonly Pointer[];
}

const directoryKind: RecordKind<DirectoryRecord> = {
  write(to, { head, stale }) {
    to.word(head);
    for (const pointer of stale) to.word(pointer);
  },
  read(from) {
    const head = readPointer(from);
    const stale: Pointer[] = [];
    while (from.left > 0 && !from.isBad) stale.push(readPointer(from));
    return { head, stale };
  },
};

/** Store keys of the directory begin with it; a key's bytes follow. */
const directoryPrefix = "directory/";

export function directoryOf(key: Uint8Array): RecordName<DirectoryRecord> {
  const bytes = key instanceof Buffer ? key : Buffer.from(key.buffer, key.byteOffset, key.length);
  const text = bytes.toString("latin1");
  return { key: directoryPrefix + text, kind: directoryKind };
}

/** The key in a store key of the directory. */
export function keyIn(storeKey: StoreKey): Uint8Array {
  return Uint8Array.from(Buffer.from(storeKey.slice(directoryPrefix.length), "latin1"));
}

/** A span; its three bitmaps have as many bytes as its buffers need, and no bit in common. */
export interface SpanRecord {
  /** The client it is leased to, or 0. */
  readonly owner: number;
  /** Its place in the queue; 0: not queued. */
  readonly sequence: number;
  readonly leased: Uint8Array;
  readonly free: Uint8Array;
  readonly spent: Uint8Array;
}

const spanKind: RecordKind<SpanRecord> = {
  write(to, { owner, sequence, leased, free, spent }) {
    to.integer(owner);
    to.number(sequence);
    for (const bitmap of [leased, free, spent]) to.bytes(bitmap);
  },
  read(from) {
    const owner = from.integer();
    const sequence = from.number();
    const bytes = Math.floor(from.left / 3);
    const leased = from.bytes(bytes);
    return { owner, sequence, leased, free: from.bytes(bytes), spent: from.bytes(bytes) };
  },
};

/** Store keys of a chunk's spans begin with it. */
export function spansPrefix(chunk: number): StoreKey {
  return `span/${hex(chunk, 5)}/`;
}

export function spanOf(chunk: number, span: number): RecordName<SpanRecord> {
  return { key: spansPrefix(chunk) + hex(span, 4), kind: spanKind };
}

/** A value that says nothing but that the record is there. */
const markKind: RecordKind<true> = { write: () => undefined, read: () => true };

/** Store keys of a class's queue begin with it. */
export function queuePrefix(sizeClass: number): StoreKey {
  return `free/${hex(sizeClass, 2)}/`;
}

/** An entry of the queue of free spans. */
export interface QueueEntry {
  readonly sizeClass: number;
  readonly sequence: number;
  readonly chunk: number;
  readonly span: number;
}

export function queueEntryOf(entry: QueueEntry): RecordName<true> {
  const { sizeClass, sequence, chunk, span } = entry;
  const key = `${queuePrefix(sizeClass)}${hex(sequence, 14)}/${hex(chunk, 5)}/${hex(span, 4)}`;
  return { key, kind: markKind };
}

/** The entry that a store key of a queue names. @throws PDPM_CORRUPT */
export function queueEntryIn(key: StoreKey): QueueEntry {
  const match = /^free\/([0-9a-f]{2})\/([0-9a-f]{14})\/([0-9a-f]{5})\/([0-9a-f]{4})$/.exec(key);
  if (match === null) throw corruptRecord(key, "is no entry of a queue");
  const [sizeClass, sequence, chunk, span] = match
    .slice(1)
    .map((text) => Number.parseInt(text, 16));
  return { sizeClass, sequence, chunk, span } as QueueEntry;
}

/** A chunk. */
export interface ChunkRecord {
  readonly node: number;
  readonly place: number;
  readonly sizeClass: number;
  readonly state: ChunkStateName;
  /** The generation that its retirement made; 0 before. */
  readonly retiredAt: number;
}

const chunkStates: readonly ChunkStateName[] = ["active", "withdrawn", "retired"];
const chunkKind: RecordKind<ChunkRecord> = {
  write(to, { node, place, sizeClass, state, retiredAt }) {
    to.byte(node);
    to.integer(place);
    to.byte(sizeClass);
    to.byte(chunkStates.indexOf(state));
    to.number(retiredAt);
  },
  read(from) {
    return {
      node: from.byte(),
      place: from.integer(),
      sizeClass: from.byte(),
      state: readName(from, chunkStates),
      retiredAt: from.number(),
    };
  },
};

export const chunksPrefix = "chunk/";

export function chunkRecordOf(chunk: number): RecordName<ChunkRecord> {
  return { key: chunksPrefix + hex(chunk, 5), kind: chunkKind };
}

/** The chunk that a store key names. */
export function chunkIn(key: StoreKey): number {
  return Number.parseInt(key.slice(chunksPrefix.length), 16);
}

/** The head of the chunk table. */
export interface TableRecord {
  readonly generation: number;
  readonly pressure: number;
  readonly nextChunk: number;
  /** Per node: its places 0 to this - 1 are in use. */
  readonly places: readonly number[];
}

const tableKind: RecordKind<TableRecord> = {
  write(to, { generation, pressure, nextChunk, places }) {
    for (const value of [generation, pressure, nextChunk]) to.number(value);
    for (const count of places) to.integer(count);
  },
  read(from) {
    const [generation, pressure, nextChunk] = [from.number(), from.number(), from.number()];
    const places: number[] = [];
    while (from.left > 0 && !from.isBad) places.push(from.integer());
    return { generation, pressure, nextChunk, places };
  },
};

export const tableRecord: RecordName<TableRecord> = { key: "table", kind: tableKind };

/** A client; whoever changes anything for it expects this record to be as it was. */
export type Liveness = Omit<ClientRecord, "id" | "acknowledged">;

const clientKinds: readonly ClientRecord["kind"][] = ["file", "pulse"];
const clientStates: readonly ClientRecord["state"][] = ["live", "dead"];
const clientKind: RecordKind<Liveness> = {
  write(to, { pid, kind, state }) {
    to.integer(pid);
    to.byte(clientKinds.indexOf(kind));
    to.byte(clientStates.indexOf(state));
  },
  read(from) {
    const pid = from.integer();
    return { pid, kind: readName(from, clientKinds), state: readName(from, clientStates) };
  },
};

export const clientsPrefix = "client/";

export function clientOf(id: number): RecordName<Liveness> {
  return { key: clientsPrefix + hex(id, 7), kind: clientKind };
}

/** The client that a store key names. */
export function clientIn(key: StoreKey): number {
  return Number.parseInt(key.slice(clientsPrefix.length), 16);
}

const numberKind: RecordKind<number> = {
  write: (to, value) => to.number(value),
  read: (from) => from.number(),
};

export function acknowledgedOf(id: number): RecordName<number> {
  return { key: `acknowledged/${hex(id, 7)}`, kind: numberKind };
}

/** `shard` is 0 to 255. */
export function floorOf(shard: number): RecordName<number> {
  return { key: `floor/${hex(shard, 2)}`, kind: numberKind };
}

export function officeOf(office: Office): RecordName<number> {
  return { key: `office/${office}`, kind: numberKind };
}

const numbersKind: RecordKind<readonly number[]> = {
  write(to, values) {
    for (const value of values) to.number(value);
  },
  read(from) {
    const values: number[] = [];
    while (from.left > 0 && !from.isBad) values.push(from.number());
    return values;
  },
};

/** The spans leased to a client, each as one number, see `spanNumber`. */
export function leasedOf(id: number): RecordName<readonly number[]> {
  return { key: `leased/${hex(id, 7)}`, kind: numbersKind };
}

/** Ids of clients that are gone, ascending; every id up to the first one counts as gone. */
export const buriedRecord: RecordName<readonly number[]> = { key: "buried", kind: numbersKind };

/** The last change of a call slot. */
export interface SlotRecord {
  readonly sequence: number;
  /** False: a batch of which only the first part is done; `reply` has an item for each of those. */
  readonly isComplete: boolean;
  readonly reply: ReplyValue;
}

const slotKind: RecordKind<SlotRecord> = {
  write(to, { sequence, isComplete, reply }) {
    to.number(sequence);
    to.byte(isComplete ? 1 : 0);
    writeReply(to, reply);
  },
  read(from) {
    return { sequence: from.number(), isComplete: from.byte() === 1, reply: readReply(from) };
  },
};

export function slotOf(client: number, slot: number): RecordName<SlotRecord> {
  return { key: `slot/${hex(client, 7)}/${hex(slot, 2)}`, kind: slotKind };
}
