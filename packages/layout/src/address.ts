// A logical address: a chunk and a byte offset in it, never a node. Which memory nodes carry the
// chunk, and where, stands in the chunk table; so moving a chunk changes no pointer.
//
// An address is a JavaScript number, exact below 2^46:  chunk * 2^26 + offset.
// On memory it is always written as chunk (20 bits) and offset in 64-byte units (20 bits).

import { assert } from "@pdpm/base";

/** Chunk and byte offset in one number, see above. */
export type Address = number;

/** Chunk numbers are below this; they are never reused. */
export const chunkNumberLimit: number = 2 ** 20;
/** The largest chunk, and the distance of two chunks in address space. */
export const chunkBytesMost: number = 2 ** 26;
/** Everything that a pointer can name starts at a multiple of this many bytes in its chunk. */
export const cellUnitBytes = 64;

/**
 * The chunk number under which clients reach the region header of memory node 0; the table never
 * gives it out. Beside the label only the high-water mark of commit numbers is changed there.
 */
export const headerChunk: number = chunkNumberLimit - 1;

/** The address of byte `offset` of chunk `chunk`. */
export function addressOf(chunk: number, offset: number): Address {
  assert(chunk >= 0 && chunk < chunkNumberLimit, `chunk ${chunk} is out of range`);
  assert(offset >= 0 && offset < chunkBytesMost, `offset ${offset} is out of range`);
  return chunk * chunkBytesMost + offset;
}

/** The chunk of an address. */
export function chunkOf(address: Address): number {
  return Math.floor(address / chunkBytesMost);
}

/** The byte offset of an address in its chunk. */
export function offsetOf(address: Address): number {
  // The low 26 bits: ToInt32 is exact modulo 2^32 for every safe integer.
  return address & 0x3ffffff;
}

/** For messages that people read: `chunk 3 + 4096`. */
export function addressText(address: Address): string {
  return `chunk ${chunkOf(address)} + ${offsetOf(address)}`;
}
