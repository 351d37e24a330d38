// 64-bit checksums and the key hash: xxh64. 64 bits, because a torn read that verifies by accident
// would be a wrong value; 2^-64 per torn read is below every other failure of the machine.

import { assert } from "@pdpm/base";
import { newXxh64 } from "./xxh64.ts";

const pageBytes = 65_536;
/** The largest value, key and header that a read brings at once fit without growing. */
const { memory, hash, matches } = newXxh64(17);
/** The hash's own memory. From one call to the next it keeps what `stage` put there, no more. */
let staged = new Uint8Array(memory.buffer);
let stagedBytes = 0;

/** xxh64 of `bytes`; `seed` binds the checksum to a place, such as the slot's own address. */
export function checksum64(bytes: Uint8Array, seed: bigint = 0n): bigint {
  stage(bytes);
  return BigInt.asUintN(64, hash(0, stagedBytes, BigInt.asIntN(64, seed)));
}

/** Copies `bytes` to where `isStagedChecksum` compares them, until anything else is hashed. */
export function stage(bytes: Uint8Array): void {
  if (bytes.length > staged.length) {
    memory.grow(Math.ceil((bytes.length - staged.length) / pageBytes));
    staged = new Uint8Array(memory.buffer);
  }
  staged.set(bytes);
  stagedBytes = bytes.length;
}

/**
 * Whether the word at `at` of the staged bytes is the xxh64 of those from `start` to `end`. `seed`
 * is a safe integer, as in `checksum64`. No bigint is made.
 */
export function isStagedChecksum(at: number, start: number, end: number, seed = 0): boolean {
  assert(at >= 0 && at + 8 <= stagedBytes, `no word at ${at} of ${stagedBytes} staged bytes`);
  assert(start >= 0 && start <= end && end <= stagedBytes, `${start} to ${end} are not staged`);
  return matches(at, start, end, seed | 0, Math.floor(seed / 2 ** 32)) === 1;
}

const crc8Table = new Uint8Array(256);
for (let value = 0; value < 256; value += 1) {
  let crc = value;
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 0x80 ? ((crc << 1) ^ 0x07) & 0xff : crc << 1;
  crc8Table[value] = crc;
}

/** CRC-8 (polynomial 0x07) of seven bytes, given as the low 32 and the high 24 bits of a word. */
export function crc8Of56(low: number, high: number): number {
  let crc = crc8Table[low & 0xff] as number;
  crc = crc8Table[crc ^ ((low >>> 8) & 0xff)] as number;
  crc = crc8Table[crc ^ ((low >>> 16) & 0xff)] as number;
  crc = crc8Table[crc ^ (low >>> 24)] as number;
  crc = crc8Table[crc ^ (high & 0xff)] as number;
  crc = crc8Table[crc ^ ((high >>> 8) & 0xff)] as number;
  return crc8Table[crc ^ ((high >>> 16) & 0xff)] as number;
}
