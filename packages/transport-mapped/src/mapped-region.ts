// A region file as memory: every process of the host maps the same bytes and uses CPU atomics.
//
// What must hold: after close every use throws PDPM_CLOSED and none reaches a view; the region is
// unmapped only after the flushes and growths in flight have ended.

import { closeSync, fstatSync } from "node:fs";
import type { Clock } from "@pdpm/base";
import {
  type HeaderWordName,
  headerWordOffset,
  regionHeaderBytes,
} from "@pdpm/layout/region-header";
import type { Memory } from "@pdpm/verbs";
import { requireAtomics } from "./atomics-self-test.ts";
import type { Flusher, Medium } from "./flusher.ts";
import { HeaderWords } from "./header-words.ts";
import { type Libc, systemLibc } from "./libc.ts";
import { systemFileSystemType } from "./local-file-system.ts";
import { flusherFor } from "./media.ts";
import { poison, refusePoisoned } from "./poison.ts";
import { RegionBytes } from "./region-bytes.ts";
import { openRegionFile, type RegionFile, type RegionFileOptions } from "./region-file.ts";
import { growRegion } from "./region-growth.ts";
import type { Windows } from "./windows.ts";

/** How a region is opened. */
export interface MappedRegionOptions extends RegionFileOptions {
  /** `extend` goes no further. Bytes, header included. @defaultValue no limit */
  readonly maxBytes?: number;
  /**
   * Reads, writes and CAS work although the region is poisoned: for fsck. Flushes work again once
   * the word `poisoned` was cleared. @defaultValue false
   */
  readonly evenPoisoned?: boolean;
}

/** Names a file on this host. */
export interface FileIdentity {
  readonly path: string;
  readonly device: string;
  readonly inode: string;
}

/** One open region. Not shared between threads: each opens its own. */
export class MappedRegion implements Memory {
  /** The words of the header. */
  readonly header: HeaderWords;
  readonly file: FileIdentity;
  /** 32 hexadecimal digits, chosen when the file was made. */
  readonly regionId: string;
  readonly #clock: Clock;
  readonly #libc: Libc;
  readonly #descriptor: number;
  readonly #maxBytes: number;
  readonly #windows: Windows;
  readonly #bytes: RegionBytes;
  readonly #flusher: Flusher;
  /** The header for what still runs while the region closes. */
  readonly #innerHeader: HeaderWords;
  /** What close waits for, besides the flusher. */
  readonly #inFlight = new Set<Promise<void>>();
  #closing: Promise<void> | undefined;

  private constructor(clock: Clock, file: RegionFile, options: MappedRegionOptions) {
    const { descriptor, path, windows } = file;
    const { dev, ino } = fstatSync(descriptor, { bigint: true });
    const { words } = windows.get(0);
    this.header = new HeaderWords(words);
    this.file = { path, device: String(dev), inode: String(ino) };
    this.regionId = file.header.regionId;
    this.#clock = clock;
    this.#libc = options.libc ?? systemLibc();
    this.#descriptor = descriptor;
    this.#maxBytes = options.maxBytes ?? Number.MAX_SAFE_INTEGER;
    this.#windows = windows;
    this.#bytes = new RegionBytes(path, descriptor, windows, options.evenPoisoned === true);
    this.#innerHeader = new HeaderWords(words);
    const typeOf = options.fileSystemType ?? systemFileSystemType;
    this.#flusher = flusherFor(path, windows, this.#innerHeader, this.#libc, typeOf);
  }

  /**
   * Opens `DIRECTORY/region.pm`. A poisoned region opens, but answers no verb.
   * @throws as `openRegionFile`; PDPM_UNSUPPORTED when atomics on mapped memory do not hold here.
   */
  static open(directory: string, clock: Clock, options: MappedRegionOptions = {}): MappedRegion {
    requireAtomics(options.libc ?? systemLibc());
    return new MappedRegion(clock, openRegionFile(directory, options), options);
  }

  /** How this region's bytes become durable. */
  get medium(): Medium {
    return this.#flusher.medium;
  }

  /** Usable bytes, header included, now. @throws PDPM_CLOSED */
  get sizeBytes(): number {
    return this.#bytes.sizeBytes;
  }

  read(offset: number, target: Uint8Array): void {
    this.#bytes.read(offset, target);
  }

  write(offset: number, data: Uint8Array): void {
    this.#bytes.write(offset, data);
  }

  compareAndSwap(offset: number, expectedWord: bigint, desiredWord: bigint): bigint {
    return this.#bytes.compareAndSwap(offset, expectedWord, desiredWord);
  }

  flush(offset: number, bytes: number): undefined | Promise<void> {
    this.#bytes.check(offset, bytes);
    return this.#flusher.flush(offset, bytes);
  }

  async extend(sizeBytes: number): Promise<void> {
    if (this.sizeBytes >= sizeBytes) return;
    refusePoisoned(this.header);
    await this.#untilDone(this.#grow(sizeBytes));
  }

  /** Hands out the next client id; `durable`: it stays handed out after a power failure. */
  async takeClientId(durable: boolean): Promise<number> {
    const id = Number(this.header.fetchAdd("nextClientId", 1n)) + 1;
    if (durable) await this.flushHeaderWord("nextClientId");
    return id;
  }

  /** Makes one word of the header durable. */
  async flushHeaderWord(name: HeaderWordName): Promise<void> {
    await this.flush(headerWordOffset[name], 8);
  }

  /**
   * Makes everything durable that any process wrote into this region so far, also the dead.
   * @throws PDPM_POISONED, now or before
   */
  async flushAll(): Promise<void> {
    this.#bytes.check(0, regionHeaderBytes);
    if (this.medium !== "memory") await this.#untilDone(this.#syncFile());
  }

  /**
   * From the call on every use throws PDPM_CLOSED. Flushes and growths in flight end first; nothing
   * else is flushed (see `flushAll`). Resolves when the memory is unmapped; never rejects.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#bytes.close();
    this.header.close();
    await Promise.allSettled(this.#inFlight);
    await this.#flusher.settled();
    this.#innerHeader.close();
    this.#windows.unmap();
    closeSync(this.#descriptor);
  }

  async #untilDone(work: Promise<void>): Promise<void> {
    this.#inFlight.add(work);
    try {
      await work;
    } finally {
      this.#inFlight.delete(work);
    }
  }

  async #grow(sizeBytes: number): Promise<void> {
    const region = {
      path: this.file.path,
      descriptor: this.#descriptor,
      header: this.#innerHeader,
      maxBytes: this.#maxBytes,
    };
    await growRegion(this.#clock, this.#libc, region, sizeBytes);
    await this.#flusher.flush(headerWordOffset.sizeBytes, 8);
  }

  async #syncFile(): Promise<void> {
    const failure = await this.#libc.syncFile(this.#descriptor);
    if (failure !== null) throw poison(this.#innerHeader, failure);
    refusePoisoned(this.#innerHeader);
  }
}
