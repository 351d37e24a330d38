// The directory: where each key's chain (Clover) or cell (Central) is, and from which commit number
// on a forgotten key may live again.
//
// - A head changes only from what the caller believes, and frees what it leaves behind in the same
//   commit: no key's head ever points to a free buffer.
// - Commit numbers of a key grow over its lives: forgetting raises the floor of the key's shard,
//   and a creation that is not above it is refused; its commit expects the floor as it was read.
// - Central: a cell that was superseded stands in the record until it was wiped.

import { PdpmError } from "@pdpm/base";
import { checksum64, type Pointer, pointerText } from "@pdpm/layout";
import type { Geometry } from "./geometry.ts";
import type {
  AnswerOf,
  Change,
  Cleaned,
  Forgotten,
  LookupReply,
  Move,
  Question,
  ReplyOf,
} from "./protocol.ts";
import { decodeRecord, endOf } from "./record.ts";
import { directoryOf, floorOf, keyIn } from "./records.ts";
import { isLeasedTo, type SpaceWriter } from "./space.ts";
import type { Transaction } from "./transaction.ts";

/** Superseded cells of a key that may wait to be cleaned. */
export const staleMost = 4096;

type Asked<A extends Question["ask"]> = Extract<Question, { ask: A }>;
type Done<D extends Change["do"]> = Extract<Change, { do: D }>;

function shardOf(key: Uint8Array): number {
  return Number(checksum64(key) & 0xffn);
}

export async function lookup(
  transaction: Transaction,
  { key }: Asked<"lookup">,
): Promise<LookupReply> {
  const record = await transaction.get(directoryOf(key));
  // After the record: the floor is at least as new as the forgetting that is seen here.
  const floor = (await transaction.get(floorOf(shardOf(key)))) ?? 0;
  return { head: record?.head ?? null, stale: record?.stale ?? [], floor };
}

/** A page of keys, in byte order. */
export async function keys(
  transaction: Transaction,
  { prefix, after, limit }: Asked<"keys">,
): Promise<AnswerOf["keys"]> {
  const first = directoryOf(prefix).key;
  const next = after === null ? first : `${directoryOf(after).key}\0`;
  const start = next > first ? next : first;
  const end = endOf(first);
  const records = start < end ? await transaction.range({ start, end, limit }) : [];
  return records.map(({ key: storeKey, value }) => {
    const key = keyIn(storeKey);
    return { key, head: decodeRecord(directoryOf(key), value).head };
  });
}

export async function create(
  transaction: Transaction,
  geometry: Geometry,
  client: number,
  { key, pointer, commitNumber }: Done<"create">,
): Promise<ReplyOf["create"]> {
  const name = directoryOf(key);
  const record = await transaction.get(name);
  if (record?.head === pointer) return "created";
  if (record !== undefined) return { exists: record.head };
  const floor = (await transaction.get(floorOf(shardOf(key)))) ?? 0;
  if (commitNumber <= floor) return { floor };
  if (!(await isLeasedTo(transaction, geometry, pointer, client))) return "notLeased";
  transaction.put(name, { head: pointer, stale: [] });
  return "created";
}

/** Moves a key's head on. */
export async function advance(
  transaction: Transaction,
  space: SpaceWriter,
  { key, head, next, freed }: Move,
): Promise<ReplyOf["advance"][number]> {
  const record = await transaction.get(directoryOf(key));
  if (record?.head === next) return "moved";
  if (record?.head !== head) return { head: record?.head ?? null };
  if (await space.isFree(next)) {
    throw new PdpmError("PDPM_CORRUPT", `a chain leads to a free buffer, ${pointerText(next)}`);
  }
  await space.free(freed);
  transaction.put(directoryOf(key), { ...record, head: next });
  return "moved";
}

export async function forget(
  transaction: Transaction,
  space: SpaceWriter,
  { key, head, commitNumber, freed }: Forgotten,
): Promise<ReplyOf["forget"]> {
  const record = await transaction.get(directoryOf(key));
  if (record?.head !== head) return { head: record?.head ?? null };
  const all = new Set(freed);
  if (![head, ...record.stale].every((pointer) => all.has(pointer))) {
    throw new PdpmError("PDPM_INVALID_ARGUMENT", "forgetting a key frees all that it led to");
  }
  await space.free(freed);
  transaction.put(directoryOf(key), undefined);
  const floor = floorOf(shardOf(key));
  if (commitNumber > ((await transaction.get(floor)) ?? 0)) transaction.put(floor, commitNumber);
  return "forgotten";
}

export async function supersede(
  transaction: Transaction,
  geometry: Geometry,
  client: number,
  { key, expected, pointer }: Done<"supersede">,
): Promise<ReplyOf["supersede"]> {
  const record = await transaction.get(directoryOf(key));
  if (record?.head === pointer) return "done";
  if (record?.head !== expected) return { head: record?.head ?? null };
  if (!(await isLeasedTo(transaction, geometry, pointer, client))) return "notLeased";
  if (record.stale.length >= staleMost) {
    throw new PdpmError("PDPM_BUSY", `${staleMost} cells of the key have not been cleaned`);
  }
  transaction.put(directoryOf(key), { head: pointer, stale: [...record.stale, expected] });
  return "done";
}

/** Frees superseded cells of a key: all that are named, or none. */
export async function clean(
  transaction: Transaction,
  space: SpaceWriter,
  { key, stale }: Cleaned,
): Promise<ReplyOf["clean"][number]> {
  const record = await transaction.get(directoryOf(key));
  const cells = new Set<Pointer>(stale);
  const kept = record?.stale.filter((pointer) => !cells.has(pointer)) ?? [];
  if (record === undefined || kept.length + cells.size !== record.stale.length) return "unknown";
  await space.free([...cells]);
  transaction.put(directoryOf(key), { ...record, stale: kept });
  return "cleaned";
}
