// Lease records: who has the store open. A client without a live record is dead and has nothing
// left to give back. Client ids are never reused; records are.

import { PdpmError } from "@pdpm/base";
import {
  type Address,
  decodeLease,
  encodeLease,
  type LeaseKind,
  type LeaseRecord,
  leaseFields,
  leaseIdentity,
  leaseRecordBytes,
  leaseRecordCount,
  numberOf,
  numberWord,
  wordAt,
} from "@pdpm/layout";
import { compareAndSwap, type Protocol, read, round, write } from "@pdpm/verbs";
import { corrupt } from "./damage.ts";
import type { Session } from "./session.ts";

/** Records read in one verb. */
const recordsPerRead = 64;

/** A record that is not free, and where it stands. */
export interface PlacedLease extends LeaseRecord {
  readonly at: Address;
  readonly index: number;
}

/** Every record in use. 64 round trips of 4 KiB. */
export function* readLeases(session: Session): Protocol<PlacedLease[]> {
  const leases: PlacedLease[] = [];
  for (let first = 0; first < leaseRecordCount; first += recordsPerRead) {
    leases.push(...(yield* readSome(session, first)));
  }
  return leases;
}

function* readSome(session: Session, first: number): Protocol<PlacedLease[]> {
  const at = session.geometry.leaseRecord(first);
  const [bytes] = yield* round(read(at, recordsPerRead * leaseRecordBytes));
  const leases: PlacedLease[] = [];
  for (let i = 0; i < recordsPerRead; i += 1) {
    const offset = i * leaseRecordBytes;
    const lease = decodeLease(bytes.subarray(offset, offset + leaseRecordBytes));
    if (lease === undefined) throw corrupt(`lease record ${first + i} is damaged`);
    if (lease !== null) leases.push({ ...lease, at: at + offset, index: first + i });
  }
  return leases;
}

/** The record of one client, or undefined; usually one round trip. */
export function* findLease(session: Session, clientId: number): Protocol<PlacedLease | undefined> {
  const home = firstRecord(clientId);
  for (let step = 0; step < leaseRecordCount; step += recordsPerRead) {
    const some = yield* readSome(session, (home + step) % leaseRecordCount);
    const lease = some.find((candidate) => candidate.clientId === clientId);
    if (lease !== undefined) return lease;
  }
  return undefined;
}

function firstRecord(clientId: number): number {
  return Math.floor((clientId % leaseRecordCount) / recordsPerRead) * recordsPerRead;
}

/**
 * Takes a record for this session, then reads the chunk table again: whoever retires a chunk from
 * here on waits for this client, and what was retired before, without it, it learns of. The record
 * says on return that the client has acknowledged the table's generation.
 * @throws PDPM_NO_SPACE when 4096 clients are open.
 */
export function* takeLease(session: Session, pid: number, kind: LeaseKind): Protocol<Address> {
  const { clientId, geometry } = session;
  const home = firstRecord(clientId);
  const seen = Math.max(0, session.table.generation);
  const body = encodeLease(seen, pid, kind);
  for (let step = 0; step < leaseRecordCount; step += 1) {
    const at = geometry.leaseRecord((home + step) % leaseRecordCount);
    const [found] = yield* round(compareAndSwap(at, 0n, leaseIdentity(clientId, "live")));
    if (found !== 0n) continue;
    yield* round(write(at + leaseFields.heartbeat, body), ...session.flushes(at, leaseRecordBytes));
    yield* session.table.load();
    // Whoever retired a chunk in between waits for that, and nobody else will say it.
    if (session.table.generation > seen) yield* acknowledge(at, session.table.generation);
    return at;
  }
  throw new PdpmError("PDPM_NO_SPACE", `${leaseRecordCount} clients have this store open already`);
}

/** Marks a client dead, which must be able to post nothing any more. True if we did it. */
export function* markDead(session: Session, lease: PlacedLease): Protocol<boolean> {
  const live = leaseIdentity(lease.clientId, "live");
  const dead = leaseIdentity(lease.clientId, "dead");
  const [found] = yield* round(
    compareAndSwap(lease.at, live, dead),
    ...session.flushes(lease.at, 8),
  );
  return found === live;
}

/** Frees a record: of a client that gave everything back, or whose things were all taken back. */
export function* freeLease(
  session: Session,
  at: Address,
  clientId: number,
  state: "live" | "dead",
): Protocol<void> {
  yield* round(compareAndSwap(at, leaseIdentity(clientId, state), 0n), ...session.flushes(at, 8));
}

/** Shows that this client lives, and reads the table's generation: one round trip. */
export function* heartbeat(session: Session, at: Address, beat: number): Protocol<number> {
  const [, bytes] = yield* round(
    write(at + leaseFields.heartbeat, wordBytes(beat)),
    read(session.geometry.generationWord, 8),
  );
  const generation = numberOf(wordAt(bytes, 0));
  if (generation === undefined) throw corrupt("the chunk table's generation is damaged");
  return generation;
}

/** Says that this client has no business left with chunks retired before `generation` (H17). */
export function* acknowledge(at: Address, generation: number): Protocol<void> {
  yield* round(write(at + leaseFields.acknowledged, wordBytes(generation)));
}

function wordBytes(value: number): Uint8Array {
  return new Uint8Array(new BigUint64Array([numberWord(value)]).buffer);
}
