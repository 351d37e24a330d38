// A round is what a protocol posts together and awaits together: one network round trip.
//
// What holds for every fabric:
// - 8-byte aligned words are atomic; nothing larger is.
// - Within one round, verbs to one node apply in order: a write or a flush before anything behind
//   it, a CAS before a CAS, a read or a flush. A write behind a read or a CAS is not ordered.
// - Rounds are independent of each other: a read never waits for another operation's flush.
// - A write is visible when the round completes, durable only when a flush posted behind it does.
// - Replies are per post: a value or a PdpmError. A round never fails as a whole.
// Source: design section 2; IB verbs.

import type { PdpmError } from "@pdpm/base";
import { assert } from "@pdpm/base";
import type { Address } from "@pdpm/layout/address";

/** What a post asks for. The first four are one-sided; their numbers stand in wire frames. */
export const Verb = {
  read: 1,
  write: 2,
  compareAndSwap: 3,
  flush: 4,
  call: 5,
  pause: 6,
} as const;
/** One of the verbs. */
export type Verb = (typeof Verb)[keyof typeof Verb];

/** The largest read or write: a value of 1 MiB, its key and its header, with room to spare. */
export const verbBytesMost: number = 2 ** 20 + 8192;

/** One verb of a round. `R` is the type of its reply. Built by the functions below only. */
export class Post<R = unknown> {
  /** Never set: carries the reply's type. */
  declare readonly reply: R;
  /** Set by `optional()`: the round is complete without it. */
  optional = false;
  /** Set by `commitPoint()`: the operation may have taken effect once this is posted. */
  commitPoint = false;
  /** Set by the router: the memory node, and the byte offset in its region. */
  node = -1;
  offset = 0;

  readonly verb: Verb;
  readonly address: Address;
  readonly bytes: number;
  /** A write's bytes, or the caller's own buffer that a read fills. */
  readonly data: Uint8Array | undefined;
  readonly expectedWord: bigint;
  readonly desiredWord: bigint;
  readonly replica: number;
  /** A call's server and request. */
  readonly server: string;
  readonly request: unknown;

  constructor(
    verb: Verb,
    address: Address,
    bytes: number,
    data: Uint8Array | undefined,
    expectedWord: bigint,
    desiredWord: bigint,
    server: string,
    request: unknown,
  ) {
    this.verb = verb;
    this.address = address;
    this.bytes = bytes;
    this.data = data;
    this.expectedWord = expectedWord;
    this.desiredWord = desiredWord;
    this.replica = 0;
    this.server = server;
    this.request = request;
  }
}

/** Posted together and awaited together: one network round trip. */
export type Round = readonly Post[];

/** One reply per post, in order: its value, or the error that this post met. */
export type Replies = readonly unknown[];

/** A failure in the place of a reply. */
export type Failure = PdpmError;

/**
 * Reads `bytes` bytes. The reply is a private copy, 8-byte aligned; with `into` it is that buffer.
 * Larger than a word, it may mix two writes: verify a checksum before believing it.
 */
export function read(address: Address, bytes: number, into?: Uint8Array): Post<Uint8Array> {
  assert(bytes > 0 && bytes <= verbBytesMost, `cannot read ${bytes} bytes in one verb`);
  return new Post(Verb.read, address, bytes, into, 0n, 0n, "", undefined);
}

/** Writes `data`, which must not change until the round completes. */
export function write(address: Address, data: Uint8Array): Post<void> {
  assert(data.length > 0 && data.length <= verbBytesMost, `cannot write ${data.length} bytes`);
  return new Post(Verb.write, address, data.length, data, 0n, 0n, "", undefined);
}

/**
 * Replaces the aligned word at `address` if it equals `expectedWord`; the reply is what it found.
 */
export function compareAndSwap(
  address: Address,
  expectedWord: bigint,
  desiredWord: bigint,
): Post<bigint> {
  assert(address % 8 === 0, `address ${address} is not aligned to a word`);
  return new Post(
    Verb.compareAndSwap,
    address,
    8,
    undefined,
    expectedWord,
    desiredWord,
    "",
    undefined,
  );
}

/** Makes everything written so far in `bytes` bytes from `address` durable. */
export function flush(address: Address, bytes: number): Post<void> {
  return new Post(Verb.flush, address, bytes, undefined, 0n, 0n, "", undefined);
}

/** Asks a server (control plane) something; the reply is its answer. */
export function call<R>(server: string, request: unknown): Post<R> {
  return new Post(Verb.call, 0, 0, undefined, 0n, 0n, server, request);
}

/** Waits. Never ready at once, so a process cannot spin against itself. */
export function pause(ms: number): Post<void> {
  return new Post(Verb.pause, 0, ms, undefined, 0n, 0n, "", undefined);
}

/** Marks a fresh post: the round is complete without it, and its failure is not an error. */
export function optional<R>(post: Post<R>): Post<R | undefined> {
  post.optional = true;
  return post;
}

/** Marks a fresh post: from its posting on the operation may have taken effect. */
export function commitPoint<R>(post: Post<R>): Post<R> {
  post.commitPoint = true;
  return post;
}
