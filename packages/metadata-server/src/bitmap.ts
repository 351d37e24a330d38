// Bitmaps of a span's buffers: bit n of byte n >> 3 stands for the nth. But for setBit and clearBit
// all functions make new bitmaps. Of two, the second may have another length: what it lacks is
// zero, and what it has more is ignored.

/** No bit. */
export function emptyBitmap(bits: number): Uint8Array {
  return new Uint8Array(Math.ceil(bits / 8));
}

/** The first `bits` bits. */
export function fullBitmap(bits: number): Uint8Array {
  const bitmap = emptyBitmap(bits).fill(0xff);
  if (bits % 8 !== 0) bitmap[bitmap.length - 1] = (1 << (bits % 8)) - 1;
  return bitmap;
}

export function hasBit(bitmap: Uint8Array, bit: number): boolean {
  return ((bitmap[bit >> 3] ?? 0) & (1 << (bit & 7))) !== 0;
}

/** Sets a bit in place. */
export function setBit(bitmap: Uint8Array, bit: number): void {
  bitmap[bit >> 3] = (bitmap[bit >> 3] ?? 0) | (1 << (bit & 7));
}

/** Clears a bit in place. */
export function clearBit(bitmap: Uint8Array, bit: number): void {
  bitmap[bit >> 3] = (bitmap[bit >> 3] ?? 0) & ~(1 << (bit & 7));
}

/** The bits of `a` and those of `b`, in as many bytes as `a` has. */
export function union(a: Uint8Array, b: Uint8Array): Uint8Array {
  return a.map((byte, index) => byte | (b[index] ?? 0));
}

/** The bits that both have. */
export function intersection(a: Uint8Array, b: Uint8Array): Uint8Array {
  return a.map((byte, index) => byte & (b[index] ?? 0));
}

/** The bits of `a` that `b` has not. */
export function difference(a: Uint8Array, b: Uint8Array): Uint8Array {
  return a.map((byte, index) => byte & ~(b[index] ?? 0));
}

export function isEmpty(bitmap: Uint8Array): boolean {
  return bitmap.every((byte) => byte === 0);
}

export function countBits(bitmap: Uint8Array): number {
  let count = 0;
  for (let byte of bitmap) for (; byte !== 0; byte &= byte - 1) count += 1;
  return count;
}

/** The same bits in `bytes` bytes. */
export function padded(bitmap: Uint8Array, bytes: number): Uint8Array {
  const copy = new Uint8Array(bytes);
  copy.set(bitmap.subarray(0, bytes));
  return copy;
}
