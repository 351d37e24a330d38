// The region as clients over ws see it: all of it, but the node's own part of the header is theirs
// to read only. Incarnation, watermarks and sizes stand there, by which clients are judged.

import { PdpmError } from "@pdpm/base";
import { invalidRemoteWrite } from "@pdpm/layout/region-header";
import type { Memory } from "@pdpm/verbs";

/** A memory whose first bytes refuse writes and compare-and-swaps. */
export class GuardedMemory implements Memory {
  readonly #memory: Memory;

  constructor(memory: Memory) {
    this.#memory = memory;
  }

  get sizeBytes(): number {
    return this.#memory.sizeBytes;
  }

  read(offset: number, target: Uint8Array): void {
    this.#memory.read(offset, target);
  }

  /** @throws PDPM_INVALID_ARGUMENT, and what the memory throws. */
  write(offset: number, data: Uint8Array): void {
    refuse(offset, data.length);
    this.#memory.write(offset, data);
  }

  /** @throws as `write` does. */
  compareAndSwap(offset: number, expectedWord: bigint, desiredWord: bigint): bigint {
    refuse(offset, 8);
    return this.#memory.compareAndSwap(offset, expectedWord, desiredWord);
  }

  flush(offset: number, bytes: number): undefined | Promise<void> {
    return this.#memory.flush(offset, bytes);
  }

  extend(sizeBytes: number): Promise<void> {
    return this.#memory.extend(sizeBytes);
  }
}

function refuse(offset: number, bytes: number): void {
  const reason = invalidRemoteWrite(offset, bytes);
  if (reason !== null) throw new PdpmError("PDPM_INVALID_ARGUMENT", reason);
}
