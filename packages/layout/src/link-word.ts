// The link word of a data buffer: the one word that makes a new version of an entry visible, and
// the pointer form in which buffers are named everywhere (directory, leases, links).
//
//   bits 0-19 offset in 64-byte units   20-39 chunk   40-61 GC version   62 pending   63 sealed
//
// - A pointer is a link word without marks. The word 0 is no pointer: chunk 0 holds no buffers.
// - "No next" is the buffer's own pointer: a link to itself (H3). So an expected word that is stale
//   never matches, whatever the buffer has become since. Nor is a link to the buffer's own place in
//   another life one that could be followed: the buffer was recycled, and nothing is behind it.
// - *Pending*: not known to be durable yet (H7). Who meets it flushes before answering.
// - *Sealed*: the entry was deleted here (H4). The word keeps the buffer's offset and GC version,
//   with chunk 0. So it differs from every link in two bytes at least: no damage of a single byte
//   turns a link into a seal, or a seal into anything but a damaged word.
// Source: paper section 4.1; FORMAT.md section 10.

import { assert } from "@pdpm/base";
import { type Address, addressOf, cellUnitBytes, chunkOf, offsetOf } from "./address.ts";

/** A link word without marks: chunk, offset and GC version of one buffer. */
export type Pointer = bigint;

/** GC versions are at most this; a buffer that reached it is never handed out again. */
export const gcVersionMost: number = 2 ** 22 - 1;

const pendingMark = 1n << 62n;
const sealedMark = 1n << 63n;
/** Chunk and offset of a pointer. */
const placeBits = 0xffffffffffn;
const chunkBits = 0xfffffn << 20n;

/** The pointer to the buffer at `address` in its life `gcVersion`. */
export function pointerTo(address: Address, gcVersion: number): Pointer {
  const offset = offsetOf(address);
  assert(offset % cellUnitBytes === 0, `offset ${offset} is no multiple of ${cellUnitBytes}`);
  assert(gcVersion > 0 && gcVersion <= gcVersionMost, `GC version ${gcVersion}`);
  const chunk = chunkOf(address);
  // Two halves of 32 bits, because a bigint per field would cost more than the memory access.
  const low = ((offset / cellUnitBytes) | ((chunk & 0xfff) << 20)) >>> 0;
  const high = (chunk >>> 12) | (gcVersion << 8);
  return pointerOf(low, high);
}

/** The pointer whose halves of 32 bits are given. */
export function pointerOf(low: number, high: number): Pointer {
  return (BigInt(high) << 32n) | BigInt(low);
}

/** Where a pointer leads. */
export function addressIn(pointer: Pointer): Address {
  const low = Number(pointer & 0xffffffffn);
  const chunk = (low >>> 20) | (Number((pointer >> 32n) & 0xffn) << 12);
  return addressOf(chunk, (low & 0xfffff) * cellUnitBytes);
}

/** The GC version in a pointer. */
export function gcVersionIn(pointer: Pointer): number {
  return Number((pointer >> 40n) & 0x3fffffn);
}

/** The same link, not known to be durable. */
export function withPending(word: bigint): bigint {
  return word | pendingMark;
}

/** The same link, durable. */
export function withoutPending(word: bigint): bigint {
  return word & ~pendingMark;
}

/** Whether a link word is marked pending. */
export function isPending(word: bigint): boolean {
  return (word & pendingMark) !== 0n;
}

/** The link word of a deleted entry's last buffer. */
export function sealOf(pointer: Pointer): bigint {
  return (pointer & ~chunkBits) | sealedMark;
}

/**
 * What a link word says to a reader of the buffer `pointer`. "damaged": nothing that this life of
 * the buffer can have; after damage, or when the buffer was recycled.
 */
export type Link = "end" | "sealed" | "damaged" | Pointer;

/** Reads a link word found in the buffer `pointer`; its pending mark is not looked at. */
export function linkIn(pointer: Pointer, word: bigint): Link {
  const bare = withoutPending(word);
  if (bare === pointer) return "end";
  if ((bare & sealedMark) !== 0n) return bare === sealOf(pointer) ? "sealed" : "damaged";
  if (!isPointer(bare)) return "damaged";
  // Another life of this very buffer, which nobody can have linked behind the one that it had.
  return ((bare ^ pointer) & placeBits) === 0n ? "damaged" : bare;
}

/** Whether a word can be a pointer: a chunk but the root chunk, a life, no marks. */
export function isPointer(word: bigint): boolean {
  if (word >> 62n !== 0n) return false;
  return ((word >> 20n) & 0xfffffn) !== 0n && word >> 40n !== 0n;
}

/** The head mark of the buffer `pointer` when it is the head of its key's chain (H23). */
export function headMarkOf(pointer: Pointer): bigint {
  return pointer | pendingMark;
}

/** The same, not known to be durable yet: who meets it in a chain's head flushes (H7). */
export function pendingHeadMarkOf(pointer: Pointer): bigint {
  return pointer | sealedMark;
}

/** Whether a head mark's word says that the version at `pointer` is, or was, its chain's head. */
export function isHeadMark(pointer: Pointer, word: bigint): boolean {
  return word === headMarkOf(pointer) || word === pendingHeadMarkOf(pointer);
}

/** A pointer for messages that people read. */
export function pointerText(pointer: Pointer): string {
  const address = addressIn(pointer);
  return `chunk ${chunkOf(address)} + ${offsetOf(address)}, GC version ${gcVersionIn(pointer)}`;
}
