// Takes back what a dead client held: the table lock, bucket locks, cells. The lease record is
// freed last, so that a reaper's own death only means that another one starts over.

import { isPdpmError, type PdpmError } from "@pdpm/base";
import { Patience } from "@pdpm/kv";
import { type Address, bucketFields, chunkOf, decodeState, rootWords, wordAt } from "@pdpm/layout";
import { type Protocol, read, round } from "@pdpm/verbs";
import { lockBucket } from "./bucket-lock.ts";
import { release } from "./holds.ts";
import { freeLease, type PlacedLease } from "./leases.ts";
import { recoverSlot } from "./recovery.ts";
import type { Context } from "./session.ts";
import { lockTable } from "./table-lock.ts";

/** State words read in one round. */
const wordsPerRound = 256;

/** Takes back everything of a client that was marked dead, and frees its record. */
export function* reapClient(context: Context, lease: PlacedLease): Protocol<void> {
  yield* takeBackHolds(context, lease.clientId);
  yield* freeLease(context.session, lease.at, lease.clientId, "dead");
}

/** Takes back every lock and cell that carries `owner`, who can post nothing any more. */
export function* takeBackHolds(context: Context, owner: number): Protocol<void> {
  const { session } = context;
  const patience = new Patience(context);
  for (;;) {
    yield* session.table.load();
    const [table] = yield* round(read(rootWords.tableLock, 8));
    // While a chunk is being retired its cells may go at any moment; under the lock none is.
    const isOwners = decodeState(wordAt(table, 0))?.owner === owner;
    if (isOwners || session.table.isRetiring) {
      yield* release(context, [yield* lockTable(context)]);
    }
    const held = yield* heldBy(context, owner);
    let damage: PdpmError | undefined;
    for (const address of held) {
      try {
        yield* settle(context, address, owner);
      } catch (error) {
        // Damage in one place keeps nothing else from being taken back.
        if (!isPdpmError(error) || error.code !== "PDPM_CORRUPT") throw error;
        damage ??= error;
      }
    }
    if (damage !== undefined) throw damage;
    if (held.length === 0) return;
    yield* patience.wait(`what client ${owner} held is being taken back`);
  }
}

/** Finishes or frees what `owner` left at one address. */
export function* settle(context: Context, address: Address, owner: number): Protocol<void> {
  const { session } = context;
  if (session.held.has(address)) return;
  const wasDoubted = session.doubts.delete(address);
  let isSettled = false;
  try {
    isSettled = yield* settleWord(context, address, owner);
  } finally {
    // If the reply of the last step is lost, that step itself leaves the address in doubt again.
    if (wasDoubted && !isSettled) session.doubts.add(address);
  }
}

/** False if another operation of this client is at work there. */
function* settleWord(context: Context, address: Address, owner: number): Protocol<boolean> {
  if (chunkOf(address) > 0) return yield* recoverSlot(context, address, owner);
  const [bytes] = yield* round(read(address, 8));
  const word = decodeState(wordAt(bytes, 0));
  if (word !== undefined && word.owner !== owner) return true;
  const hold =
    address === rootWords.tableLock
      ? yield* lockTable(context)
      : (yield* lockBucket(context, address)).hold;
  yield* release(context, [hold]);
  return true;
}

/** Home buckets, then cells, whose state word carries `owner`. */
function* heldBy(context: Context, owner: number): Protocol<Address[]> {
  const { geometry, table } = context.session;
  const buckets = Array.from(
    { length: geometry.homeBuckets },
    (_, i) => geometry.homeBucket(i) + bucketFields.lock,
  );
  const held = yield* ownedAmong(buckets, owner);
  for (const { chunk, sizeClass } of [...table.inUse()]) {
    const cells = Array.from({ length: table.cellsPerChunk(sizeClass) }, (_, i) =>
      table.cell(chunk, sizeClass, i),
    );
    held.push(...(yield* ownedAmong(cells, owner)));
  }
  return held;
}

function* ownedAmong(addresses: readonly Address[], owner: number): Protocol<Address[]> {
  const owned: Address[] = [];
  for (let first = 0; first < addresses.length; first += wordsPerRound) {
    const some = addresses.slice(first, first + wordsPerRound);
    const words = (yield* round(...some.map((address) => read(address, 8)))) as Uint8Array[];
    for (const [i, address] of some.entries()) {
      if (decodeState(wordAt(words[i] as Uint8Array, 0))?.owner === owner) owned.push(address);
    }
  }
  return owned;
}
