// Reference memory over one ArrayBuffer: for tests, and what every other memory must behave like.

import { assert, PdpmError } from "@pdpm/base";
import type { Memory } from "./memory.ts";

/** Memory in this process only; flush has nothing to do. */
export class ArrayMemory implements Memory {
  readonly #bytes: Uint8Array;
  readonly #words: BigInt64Array;
  #sizeBytes: number;

  /** `capacityBytes` is reserved at once; `sizeBytes` of it may be touched until `extend`. */
  constructor(capacityBytes: number, sizeBytes: number = capacityBytes) {
    assert(capacityBytes % 8 === 0, `capacity ${capacityBytes} is not a multiple of 8`);
    this.#bytes = new Uint8Array(capacityBytes);
    this.#words = new BigInt64Array(this.#bytes.buffer);
    this.#sizeBytes = sizeBytes;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  read(offset: number, target: Uint8Array): void {
    if (target.length > 8) target.set(this.#bytes.subarray(offset, offset + target.length));
    else for (let i = 0; i < target.length; i += 1) target[i] = this.#bytes[offset + i] as number;
  }

  write(offset: number, data: Uint8Array): void {
    this.#bytes.set(data, offset);
  }

  compareAndSwap(offset: number, expectedWord: bigint, desiredWord: bigint): bigint {
    const found = Atomics.compareExchange(this.#words, offset / 8, expectedWord, desiredWord);
    return BigInt.asUintN(64, found);
  }

  flush(_offset: number, _bytes: number): undefined {
    return undefined;
  }

  async extend(sizeBytes: number): Promise<void> {
    if (sizeBytes > this.#bytes.length) {
      throw new PdpmError("PDPM_NO_SPACE", `this memory ends at ${this.#bytes.length} bytes`);
    }
    if (sizeBytes > this.#sizeBytes) this.#sizeBytes = sizeBytes;
  }
}
