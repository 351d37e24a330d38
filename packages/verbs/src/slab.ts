// Where replies of reads live: small ones are carved from a shared slab, because a fresh
// ArrayBuffer per reply costs three times the copy itself. A reply is never reused, so its owner
// may keep it.

import { markAsUntransferable } from "node:worker_threads";

const slabBytes = 128 * 1024;
/** Above this a reply gets an ArrayBuffer of its own, so that keeping it pins nothing else. */
const carvedBytesMost = 8 * 1024;

/** A slab is never transferred to another thread: that would take the other replies in it away. */
function newSlab(): ArrayBuffer {
  const buffer = new ArrayBuffer(slabBytes);
  markAsUntransferable(buffer);
  return buffer;
}

let slab = newSlab();
let used = 0;

/** A private, 8-byte aligned buffer of exactly `bytes` bytes, contents undefined. */
export function takeBuffer(bytes: number): Uint8Array {
  if (bytes > carvedBytesMost) return new Uint8Array(bytes);
  if (used + bytes > slabBytes) {
    slab = newSlab();
    used = 0;
  }
  const buffer = new Uint8Array(slab, used, bytes);
  used += (bytes + 7) & ~7;
  return buffer;
}
