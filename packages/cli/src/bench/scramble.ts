// Two scramblings of record numbers, in plain number arithmetic (a bigint would cost ten times as
// much):
//
// - fnv53 spreads the ranks of a zipfian over the records, as YCSB does; it may map two to one.
// - recordKey turns a record number into a key whose order has nothing to do with the number's, one
//   to one: a Feistel network over 52 bits is invertible whatever its round function is.

import { assert } from "@pdpm/base";

const twoTo32 = 2 ** 32;

/** The top 53 bits of the 64-bit FNV-1a hash of the eight bytes of `value`, lowest byte first. */
export function fnv53(value: number): number {
  let high = 0xcbf29ce4;
  let low = 0x84222325;
  let rest = value;
  for (let i = 0; i < 8; i += 1) {
    low = (low ^ (rest % 256)) >>> 0;
    rest = Math.floor(rest / 256);
    // Times the prime 2^40 + 0x1b3, modulo 2^64. low * 0x1b3 stays below 2^41.
    const product = low * 0x1b3;
    const carry = Math.floor(product / twoTo32);
    high = (Math.imul(high, 0x1b3) + carry + (low << 8)) >>> 0;
    low = product >>> 0;
  }
  return high * 0x200000 + (low >>> 11);
}

/** Record numbers are below this. */
export const recordNumberMax: number = 2 ** 52 - 1;

const halfBits = 26;
const halfMask = 2 ** halfBits - 1;
const feistelRounds = 4;

function mixHalf(half: number, round: number): number {
  let mixed = Math.imul(half + 1, 0x9e3779b1) + Math.imul(round + 1, 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d);
  mixed = Math.imul(mixed ^ (mixed >>> 12), 0x297a2d39);
  return (mixed ^ (mixed >>> 15)) & halfMask;
}

function permute52(value: number): number {
  let left = Math.floor(value / 2 ** halfBits);
  let right = value % 2 ** halfBits;
  for (let round = 0; round < feistelRounds; round += 1) {
    const mixed = left ^ mixHalf(right, round);
    left = right;
    right = mixed;
  }
  return left * 2 ** halfBits + right;
}

/**
 * The key of a record: `user` and 16 digits, 20 bytes. Different numbers have different keys.
 *
 * @param recordNumber - From 0 to `recordNumberMax`.
 */
export function recordKey(recordNumber: number): string {
  assert(Number.isSafeInteger(recordNumber), `record number ${recordNumber} is an integer`);
  assert(recordNumber >= 0, `record number ${recordNumber} is not negative`);
  assert(recordNumber <= recordNumberMax, `record number ${recordNumber} fits 52 bits`);
  // 2^52 is below 10^16, so 16 digits always suffice.
  return `user${permute52(recordNumber).toString().padStart(16, "0")}`;
}
