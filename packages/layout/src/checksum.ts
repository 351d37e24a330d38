// 64-bit checksums and the key hash: xxh64. 64 bits, because a torn read that verifies by accident
// would be a wrong value; 2^-64 per torn read is below every other failure of the machine.

import xxhash from "xxhash-wasm";

const { h64Raw } = await xxhash();

/** xxh64 of `bytes`; `seed` binds the checksum to a place, such as the slot's own address. */
export function checksum64(bytes: Uint8Array, seed: bigint = 0n): bigint {
  return h64Raw(bytes, seed);
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
