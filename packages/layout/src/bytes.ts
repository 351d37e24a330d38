// Little-endian numbers in bytes. A DataView over the same bytes would say as much, and takes
// longer to make (58 ns) than all that a read of a kibibyte has to decode.

/** The unsigned 16 bits at `at`. */
export function u16At(bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
}

/** The unsigned 32 bits at `at`. */
export function u32At(bytes: Uint8Array, at: number): number {
  return (u16At(bytes, at) | (u16At(bytes, at + 2) << 16)) >>> 0;
}
