// What one-sided verbs act on: a flat run of bytes with atomic words. A mapped region is one, an
// ArrayBuffer is another. Callers check ranges first (`invalidRange`), in one place for all.

/** Bytes with atomic 8-byte words and a way to make them durable. */
export interface Memory {
  /** Bytes that verbs may touch now; only ever grows. */
  readonly sizeBytes: number;
  /** Copies `target.length` bytes from `offset`. The first aligned word is loaded first. */
  read(offset: number, target: Uint8Array): void;
  write(offset: number, data: Uint8Array): void;
  /** Returns the word found; it was replaced if and only if that equals `expectedWord`. */
  compareAndSwap(offset: number, expectedWord: bigint, desiredWord: bigint): bigint;
  /** Undefined when nothing needs waiting for. @throws or rejects with PDPM_POISONED. */
  flush(offset: number, bytes: number): undefined | Promise<void>;
  /** Grows to at least `sizeBytes`, zero-filled and reserved. Rejects with PDPM_NO_SPACE. */
  extend(sizeBytes: number): Promise<void>;
}

/** Why a verb must not touch this range, or null. */
export function invalidRange(sizeBytes: number, offset: number, bytes: number): string | null {
  if (!Number.isSafeInteger(offset) || offset < 0) return `offset ${offset} is not a byte offset`;
  if (!Number.isSafeInteger(bytes) || bytes < 1) return `length ${bytes} is not a byte count`;
  if (offset + bytes > sizeBytes) {
    return `bytes ${offset} to ${offset + bytes} end beyond the region's ${sizeBytes}`;
  }
  return null;
}
