// ECMAScript promises atomics between threads for SharedArrayBuffer only. V8 emits the same machine
// instructions for every ArrayBuffer, mapped memory included; this test, once per process and under
// 0.1 ms, refuses an engine that does not. That it holds *between* processes is pinned by a stress
// test in the repository, not here.

import { PdpmError } from "@pdpm/base";
import type { Libc } from "./libc.ts";

/** The two operations whose behaviour everything stands on. */
export interface AtomicOperations {
  compareExchange(words: BigInt64Array, index: number, expected: bigint, desired: bigint): bigint;
  add(words: BigInt64Array, index: number, value: bigint): bigint;
}

const scratchBytes = 4096;
const systemAtomics: AtomicOperations = Atomics;

/** Why these atomics cannot be trusted on this buffer, or null. Uses its first three words. */
export function untrustedAtomics(
  buffer: ArrayBuffer,
  atomics: AtomicOperations = systemAtomics,
): string | null {
  const words = new BigInt64Array(buffer, 0, 3);
  words.fill(0n);
  const high = 1n << 62n;
  if (atomics.compareExchange(words, 1, 0n, high) !== 0n) return "a CAS returned another word";
  if (words[1] !== high) return "a CAS that matched did not swap all 64 bits";
  // Wrong in the low half only, then in the high half only.
  for (const wrong of [high | 1n, 0n]) {
    if (atomics.compareExchange(words, 1, wrong, 5n) !== high) return "a CAS returned another word";
    if (words[1] !== high) return "a CAS that did not match swapped";
  }
  if (atomics.add(words, 1, -1n) !== high) return "an add returned another word";
  if (words[1] !== high - 1n) return "an add did not carry over 64 bits";
  return words[0] === 0n && words[2] === 0n ? null : "an operation touched its neighbours";
}

let passed = false;

/** @throws PDPM_UNSUPPORTED when atomics on mapped memory do not behave. Tests once per process. */
export function requireAtomics(libc: Libc): void {
  if (passed) return;
  const address = libc.mapAnonymous(scratchBytes);
  const reason = untrustedAtomics(libc.view(address, scratchBytes));
  libc.unmap(address, scratchBytes);
  if (reason !== null) {
    const engine = `V8 ${process.versions.v8}`;
    throw new PdpmError(
      "PDPM_UNSUPPORTED",
      `atomics on mapped memory fail on ${engine}: ${reason}`,
    );
  }
  passed = true;
}
