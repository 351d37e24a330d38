// A file's bytes as a row of windows of at most 1 GiB, mapped when first needed: V8 aborts the
// process on a view of more than 4 GiB. A window may reach beyond the end of the file, which may
// grow into it; touching it there is a SIGBUS, so callers check the region's size before.

import { assert } from "@pdpm/base";
import type { Libc } from "./libc.ts";

/** The largest window, and the default. */
export const windowBytesMost: number = 2 ** 30;
const pageBytes = 4096;

/** One mapped window. Its views must not be touched, nor handed out, after `Windows.unmap`. */
export interface Window {
  readonly address: number;
  readonly buffer: ArrayBuffer;
  readonly bytes: Uint8Array;
  readonly halves: Int32Array;
  readonly words: BigInt64Array;
}

/** The windows of one open file. */
export class Windows {
  readonly windowBytes: number;
  /** True when the first window is mapped so that stores need no system call to be durable. */
  synchronous = false;
  readonly #libc: Libc;
  readonly #descriptor: number;
  readonly #windows: Window[] = [];
  #unmapped = false;

  /** `descriptor` stays the caller's; `windowBytes` is a power of two. */
  constructor(libc: Libc, descriptor: number, windowBytes: number = windowBytesMost) {
    assert(Number.isInteger(Math.log2(windowBytes)), `window of ${windowBytes} bytes`);
    assert(windowBytes >= pageBytes, `a window of ${windowBytes} bytes is less than a page`);
    assert(windowBytes <= windowBytesMost, `a window of ${windowBytes} bytes is too large`);
    this.#libc = libc;
    this.#descriptor = descriptor;
    this.windowBytes = windowBytes;
  }

  /** The window with this index, mapped now if it was not. */
  get(index: number): Window {
    assert(!this.#unmapped, "a window of a closed region was asked for");
    const known = this.#windows[index];
    if (known !== undefined) return known;
    const { address, synchronous } = this.#map(index * this.windowBytes);
    // Right after mmap: with the default advice the page cache builds large folios, and a flush of
    // 32 dirty pages writes 50 MiB instead of 129 KiB (measured on ext4).
    this.#libc.adviseRandom(address, this.windowBytes);
    const buffer = this.#libc.view(address, this.windowBytes);
    const window: Window = {
      address,
      buffer,
      bytes: new Uint8Array(buffer),
      halves: new Int32Array(buffer),
      words: new BigInt64Array(buffer),
    };
    if (index === 0) this.synchronous = synchronous;
    this.#windows[index] = window;
    return window;
  }

  /** Unmaps everything. Whoever touches a window afterwards kills the process. */
  unmap(): void {
    this.#unmapped = true;
    // Windows that were never needed are holes.
    for (const window of Object.values(this.#windows)) {
      this.#libc.unmap(window.address, this.windowBytes);
    }
    this.#windows.length = 0;
  }

  /** MAP_SYNC is granted by DAX file systems alone: there the mapping is persistent memory. */
  #map(offset: number): { address: number; synchronous: boolean } {
    const address = this.#libc.map(this.#descriptor, offset, this.windowBytes, true);
    if (address !== null) return { address, synchronous: true };
    const plain = this.#libc.map(this.#descriptor, offset, this.windowBytes, false);
    assert(plain !== null, "a plain mapping is made or throws");
    return { address: plain, synchronous: false };
  }
}
