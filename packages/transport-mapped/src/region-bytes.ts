// The bytes and atomic words of a mapped region: the hot path of every verb.
//
// What must hold:
// - No view is touched after close, nor beyond the usable size: the first is a segfault, the second
//   a SIGBUS, and neither can be caught. One guard word refuses both close and poison; the size
//   that was checked (`#limit`) is reloaded when a verb would exceed it.
// - The first aligned word of a read is loaded before the copy starts, so what the word guards is
//   at least as new as the word.
// - An aligned word is written and copied by one store or load: memmove moves at least 8 bytes at a
//   time from an aligned start.

import { fstatSync } from "node:fs";
import { assert, PdpmError } from "@pdpm/base";
import { headerWordOffset } from "@pdpm/layout/region-header";
import { closedError } from "./header-words.ts";
import { poisonedError } from "./poison.ts";
import type { Window, Windows } from "./windows.ts";

const sizeHalf = headerWordOffset.sizeBytes / 4;
const poisonedHalf = headerWordOffset.poisoned / 4;

/** Guards that let nothing and everything pass, in place of the header's own word `poisoned`. */
const closedGuard: Int32Array = new Int32Array(poisonedHalf + 1).fill(1);
const openGuard: Int32Array = new Int32Array(poisonedHalf + 1);

/** The verbs' view of one open region file. */
export class RegionBytes {
  readonly #path: string;
  readonly #descriptor: number;
  readonly #mapped: Windows;
  readonly #windowBytes: number;
  /** Emptied by close: then no verb finds a window. */
  readonly #windows: Window[] = [];
  #guard: Int32Array;
  /** The size as last loaded, and its two halves as they stand in the header. */
  #limit = 0;
  #limitLow = 0;
  #limitHigh = 0;

  /** `evenPoisoned`: verbs work on a poisoned region. */
  constructor(path: string, descriptor: number, mapped: Windows, evenPoisoned: boolean) {
    this.#path = path;
    this.#descriptor = descriptor;
    this.#mapped = mapped;
    this.#windowBytes = mapped.windowBytes;
    const first = this.#mapWindow(0);
    this.#guard = evenPoisoned ? openGuard : first.halves;
  }

  /** Usable bytes, header included, now. @throws PDPM_CLOSED */
  get sizeBytes(): number {
    const halves = this.#windows[0]?.halves;
    if (halves === undefined) throw closedError();
    // Plain loads, as an Atomics.load costs 7 ns and this is asked for every verb. Whatever mix
    // they see, the size that they confirm was right once, and sizes only grow.
    if (halves[sizeHalf] === this.#limitLow && halves[sizeHalf + 1] === this.#limitHigh) {
      return this.#limit;
    }
    return this.#loadSize(halves);
  }

  /** @throws the reason why these bytes must not be touched now. */
  check(offset: number, bytes: number): void {
    this.#windowOf(offset, bytes);
  }

  /** As `Memory.read`. */
  read(offset: number, target: Uint8Array): void {
    const bytes = target.length;
    const window = this.#windowOf(offset, bytes);
    const start = offset & (this.#windowBytes - 1);
    if ((start & 7) !== 0 || bytes < 8 || start + bytes > this.#windowBytes) {
      this.#readParts(offset, target);
      return;
    }
    // Two atomic halves instead of one 64-bit load: a BigInt costs more than the copy of 1 KiB.
    // They are believed only if the word that the copy brought is the same; so it was there before.
    const half = start >>> 2;
    const low = Atomics.load(window.halves, half);
    const high = Atomics.load(window.halves, half + 1);
    target.set(new Uint8Array(window.buffer, start, bytes));
    if (halfAt(target, 0) !== low || halfAt(target, 4) !== high) this.#readParts(offset, target);
  }

  /** As `Memory.write`. */
  write(offset: number, data: Uint8Array): void {
    const window = this.#windowOf(offset, data.length);
    const start = offset & (this.#windowBytes - 1);
    if (start + data.length <= this.#windowBytes) window.bytes.set(data, start);
    else this.#writeParts(offset, data);
  }

  /** As `Memory.compareAndSwap`. */
  compareAndSwap(offset: number, expectedWord: bigint, desiredWord: bigint): bigint {
    assert(offset % 8 === 0, `offset ${offset} is not aligned to a word`);
    const { words } = this.#windowOf(offset, 8);
    const index = (offset & (this.#windowBytes - 1)) >>> 3;
    const found = Atomics.compareExchange(words, index, expectedWord, desiredWord);
    return BigInt.asUintN(64, found);
  }

  /** From now on every use throws PDPM_CLOSED; the windows may be unmapped. */
  close(): void {
    this.#guard = closedGuard;
    this.#windows.length = 0;
  }

  /** The window of `offset`, if verbs may pass. */
  #windowOf(offset: number, bytes: number): Window {
    // A plain load: nothing is ordered by it, and a poison that comes in this moment may be missed.
    if (this.#guard[poisonedHalf] !== 0) throw this.#refusal();
    if (!(offset >= 0 && offset + bytes <= this.#limit)) this.#reach(offset, bytes);
    const index = Math.floor(offset / this.#windowBytes);
    return this.#windows[index] ?? this.#mapWindow(index);
  }

  #mapWindow(index: number): Window {
    const window = this.#mapped.get(index);
    this.#windows[index] = window;
    return window;
  }

  #refusal(): PdpmError {
    if (this.#guard === closedGuard) return closedError();
    return poisonedError(Atomics.load(this.#guard, poisonedHalf));
  }

  /** The size has changed, or these bytes are out of the region. */
  #reach(offset: number, bytes: number): void {
    const size = this.sizeBytes;
    if (offset >= 0 && offset + bytes <= size) return;
    const text = `bytes ${offset} to ${offset + bytes} are not in the region's ${size}`;
    throw new PdpmError("PDPM_INVALID_ARGUMENT", text);
  }

  /** Loads the word `sizeBytes`, as another process may have grown the region. */
  #loadSize(halves: Int32Array): number {
    let high = Atomics.load(halves, sizeHalf + 1);
    let low = Atomics.load(halves, sizeHalf);
    // It only grows, so an equal high half before and after means one moment. Ends: see before.
    for (let again = Atomics.load(halves, sizeHalf + 1); again !== high; ) {
      high = again;
      low = Atomics.load(halves, sizeHalf);
      again = Atomics.load(halves, sizeHalf + 1);
    }
    const size = high * 2 ** 32 + (low >>> 0);
    const fileBytes = fstatSync(this.#descriptor).size;
    // Beyond the file's end every touch is a SIGBUS: a damaged word must not lead there.
    if (size > fileBytes || size < this.#limit) {
      const text = `its header says ${size} bytes, the file has ${fileBytes}`;
      throw new PdpmError("PDPM_CORRUPT", `${this.#path}: ${text}`);
    }
    this.#limit = size;
    this.#limitLow = low;
    this.#limitHigh = high;
    return size;
  }

  /** The general read: across windows, unaligned, or racing with a writer of the first word. */
  #readParts(offset: number, target: Uint8Array): void {
    const { length } = target;
    const first = (8 - (offset % 8)) % 8;
    const hasWord = first + 8 <= length;
    const word = hasWord ? this.#loadWord(offset + first) : 0n;
    for (let done = 0; done < length; ) {
      const { bytes } = this.#windowOf(offset + done, length - done);
      const start = (offset + done) & (this.#windowBytes - 1);
      const part = Math.min(length - done, this.#windowBytes - start);
      target.set(bytes.subarray(start, start + part), done);
      done += part;
    }
    if (!hasWord) return;
    new DataView(target.buffer, target.byteOffset, length).setBigInt64(first, word, true);
  }

  #writeParts(offset: number, data: Uint8Array): void {
    for (let done = 0; done < data.length; ) {
      const { bytes } = this.#windowOf(offset + done, data.length - done);
      const start = (offset + done) & (this.#windowBytes - 1);
      const part = Math.min(data.length - done, this.#windowBytes - start);
      bytes.set(data.subarray(done, done + part), start);
      done += part;
    }
  }

  #loadWord(offset: number): bigint {
    const { words } = this.#windowOf(offset, 8);
    return Atomics.load(words, (offset & (this.#windowBytes - 1)) >>> 3);
  }
}

/** Four bytes as an Int32Array would show them. */
function halfAt(bytes: Uint8Array, at: number): number {
  const low = (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
  return low | ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24);
}
