// The C library's calls that Node lacks, through koffi. Nothing is loaded before the first use, and
// a platform without them gets one clear error. Memory addresses are numbers: user space of every
// Linux that koffi runs on ends below 2^53.
//
// Calls that may wait for a disk run on koffi's worker threads; the others take 0.2 to 0.3 us.

import { closeSync, fsync, fsyncSync, openSync } from "node:fs";
import { createRequire } from "node:module";
import { PdpmError } from "@pdpm/base";
import type koffiModule from "koffi";

/** A failed call: `errno` is the kernel's number, `text` names the call and the reason. */
export interface CallFailure {
  readonly errno: number;
  readonly text: string;
}

/** What the mapped transport asks of the C library. Tests hand in one that fails. */
export interface Libc {
  /** Maps `bytes` bytes of a file from `offset`, shared; null where the kernel refuses. */
  map(descriptor: number, offset: number, bytes: number, synchronous: boolean): number | null;
  /** Maps private memory of no file. */
  mapAnonymous(bytes: number): number;
  unmap(address: number, bytes: number): void;
  /** Tells the kernel that neighbours of a touched page are not wanted. */
  adviseRandom(address: number, bytes: number): void;
  /** A window on mapped memory. Touching it after `unmap` kills the process. */
  view(address: number, bytes: number): ArrayBuffer;
  /** Writes dirty pages of a mapping to the disk. Resolves with null or the failure. */
  sync(address: number, bytes: number): Promise<CallFailure | null>;
  /** Writes everything of an open file to the disk. Resolves with null or the failure. */
  syncFile(descriptor: number): Promise<CallFailure | null>;
  /** Makes the names in a directory durable. Throws what node:fs throws. */
  syncDirectory(path: string): void;
  /** Reserves disk blocks and lengthens the file. Resolves with null or the failure. */
  allocate(descriptor: number, offset: number, bytes: number): Promise<CallFailure | null>;
  /** Takes the lock of an open file without waiting. False: another holder excludes it. */
  tryLock(descriptor: number, mode: "shared" | "exclusive"): boolean;
  /** Lets go of the lock of an open file. */
  unlock(descriptor: number): void;
  /** A descriptor that stands for a living process, or null when there is none with this pid. */
  openProcess(pid: number): number | null;
  /** Sends SIGKILL. False when the process has ended. */
  killProcess(processDescriptor: number): boolean;
  /** Closes a descriptor of `openProcess`; node:fs would warn that it did not open it. */
  closeProcess(processDescriptor: number): void;
}

/** The kernel's error numbers that this package tells apart. */
export const errno = { EIO: 5, EWOULDBLOCK: 11, ESRCH: 3, ENOSPC: 28, EDQUOT: 122 } as const;

const PROT_READ_WRITE = 0x1 | 0x2;
const MAP_SHARED = 0x01;
const MAP_PRIVATE = 0x02;
const MAP_SHARED_VALIDATE = 0x03;
const MAP_ANONYMOUS = 0x20;
const MAP_SYNC = 0x80000;
const MADV_RANDOM = 1;
const MS_SYNC = 4;
const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;
const LOCK_UN = 8;
const SIGKILL = 9;
/** The same number on x86-64 and arm64. */
const SYS_pidfd_send_signal = 424;
const SYS_pidfd_open = 434;

type Koffi = typeof koffiModule;
type Settled = (error: unknown, result: number) => void;
/** A C function that takes and returns integers. */
type NumberFunction = ((...values: number[]) => number) & {
  async(...values: [...number[], Settled]): void;
};

/** Loads koffi. @throws PDPM_UNSUPPORTED where memory cannot be mapped as this package does. */
export function loadKoffi(platform: string = process.platform): Koffi {
  if (platform !== "linux") {
    const advice = "run memory nodes and embedded stores on Linux, and connect over ws from here";
    throw new PdpmError("PDPM_UNSUPPORTED", `cannot map memory on ${platform}; ${advice}`);
  }
  try {
    return createRequire(import.meta.url)("koffi") as Koffi;
  } catch (error) {
    const text = `koffi has no build for ${platform} on ${process.arch}`;
    throw new PdpmError("PDPM_UNSUPPORTED", text, { cause: error });
  }
}

/** The C library itself. */
class SystemLibc implements Libc {
  readonly #koffi: Koffi;
  readonly #mmap: NumberFunction;
  readonly #munmap: NumberFunction;
  readonly #madvise: NumberFunction;
  readonly #msync: NumberFunction;
  readonly #fallocate: NumberFunction;
  readonly #flock: NumberFunction;
  readonly #syscall: NumberFunction;
  readonly #close: NumberFunction;

  constructor(koffi: Koffi) {
    const library = koffi.load(null);
    const bind = (name: string, types: string[], result = "int"): NumberFunction =>
      library.func(name, result, types) as NumberFunction;
    this.#koffi = koffi;
    const mmapTypes = ["intptr_t", "size_t", "int", "int", "int", "int64_t"];
    this.#mmap = bind("mmap", mmapTypes, "intptr_t");
    this.#munmap = bind("munmap", ["intptr_t", "size_t"]);
    this.#madvise = bind("madvise", ["intptr_t", "size_t", "int"]);
    this.#msync = bind("msync", ["intptr_t", "size_t", "int"]);
    this.#fallocate = bind("posix_fallocate", ["int", "int64_t", "int64_t"]);
    this.#flock = bind("flock", ["int", "int"]);
    this.#close = bind("close", ["int"]);
    this.#syscall = bind("syscall", ["long", "long", "long", "long", "long"], "long");
  }

  map(descriptor: number, offset: number, bytes: number, synchronous: boolean): number | null {
    const flags = synchronous ? MAP_SHARED_VALIDATE | MAP_SYNC : MAP_SHARED;
    const address = this.#mmap(0, bytes, PROT_READ_WRITE, flags, descriptor, offset);
    if (address !== -1) return address;
    if (synchronous) return null;
    throw this.#unavailable(`mmap of ${bytes} bytes at ${offset}`);
  }

  mapAnonymous(bytes: number): number {
    const address = this.#mmap(0, bytes, PROT_READ_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (address === -1) throw this.#unavailable(`mmap of ${bytes} bytes`);
    return address;
  }

  unmap(address: number, bytes: number): void {
    if (this.#munmap(address, bytes) !== 0) throw this.#unavailable("munmap");
  }

  adviseRandom(address: number, bytes: number): void {
    // Advice only: a kernel that refuses it merely writes more per flush.
    this.#madvise(address, bytes, MADV_RANDOM);
  }

  view(address: number, bytes: number): ArrayBuffer {
    return this.#koffi.view(address, bytes);
  }

  sync(address: number, bytes: number): Promise<CallFailure | null> {
    return new Promise((resolve, reject) => {
      this.#msync.async(address, bytes, MS_SYNC, (error: unknown, result: number) => {
        if (error) reject(error);
        else resolve(result === 0 ? null : this.#failure(`msync of ${bytes} bytes`));
      });
    });
  }

  syncFile(descriptor: number): Promise<CallFailure | null> {
    return new Promise((resolve) => {
      fsync(descriptor, (error) => {
        if (error === null) resolve(null);
        else resolve(this.#failure("fsync", -(error.errno ?? -errno.EIO)));
      });
    });
  }

  syncDirectory(path: string): void {
    const descriptor = openSync(path, "r");
    try {
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  }

  allocate(descriptor: number, offset: number, bytes: number): Promise<CallFailure | null> {
    return new Promise((resolve, reject) => {
      this.#fallocate.async(descriptor, offset, bytes, (error: unknown, result: number) => {
        if (error) reject(error);
        // Returns its error number instead of setting errno.
        else resolve(result === 0 ? null : this.#failure(`reserving ${bytes} bytes`, result));
      });
    });
  }

  tryLock(descriptor: number, mode: "shared" | "exclusive"): boolean {
    const operation = (mode === "shared" ? LOCK_SH : LOCK_EX) | LOCK_NB;
    if (this.#flock(descriptor, operation) === 0) return true;
    if (this.#koffi.errno() === errno.EWOULDBLOCK) return false;
    throw this.#unavailable("flock");
  }

  unlock(descriptor: number): void {
    if (this.#flock(descriptor, LOCK_UN) !== 0) throw this.#unavailable("flock");
  }

  openProcess(pid: number): number | null {
    const descriptor = this.#syscall(SYS_pidfd_open, pid, 0, 0, 0);
    if (descriptor !== -1) return descriptor;
    if (this.#koffi.errno() === errno.ESRCH) return null;
    throw this.#unavailable(`pidfd_open of ${pid}`);
  }

  killProcess(processDescriptor: number): boolean {
    const result = this.#syscall(SYS_pidfd_send_signal, processDescriptor, SIGKILL, 0, 0);
    if (result === 0) return true;
    if (this.#koffi.errno() === errno.ESRCH) return false;
    throw this.#unavailable("pidfd_send_signal");
  }

  closeProcess(processDescriptor: number): void {
    this.#close(processDescriptor);
  }

  #failure(what: string, number: number = this.#koffi.errno()): CallFailure {
    const names = Object.entries(this.#koffi.os.errno);
    const name = names.find(([, value]) => value === number)?.[0] ?? `error ${number}`;
    return { errno: number, text: `${what} failed with ${name}` };
  }

  #unavailable(what: string): PdpmError {
    return new PdpmError("PDPM_UNAVAILABLE", this.#failure(what).text);
  }
}

let loaded: Libc | undefined;

/** The C library, loaded at the first call. @throws PDPM_UNSUPPORTED, see `loadKoffi`. */
export function systemLibc(): Libc {
  loaded ??= new SystemLibc(loadKoffi());
  return loaded;
}
