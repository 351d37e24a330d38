// Chooses how a region's bytes become durable, by the medium that carries its file (flusher.ts).

import type { Flusher } from "./flusher.ts";
import type { HeaderWords } from "./header-words.ts";
import type { Libc } from "./libc.ts";
import { type Libpmem, loadLibpmem } from "./libpmem.ts";
import type { FileSystemType } from "./local-file-system.ts";
import { isInMemory } from "./local-file-system.ts";
import { SyncFlusher } from "./sync-flusher.ts";
import type { Windows } from "./windows.ts";

const memoryFlusher: Flusher = {
  medium: "memory",
  flush: () => undefined,
  settled: () => Promise.resolve(),
};

/** Writes cache lines back, within each window. */
class PersistentFlusher implements Flusher {
  readonly medium = "persistent";
  readonly #libpmem: Libpmem;
  readonly #windows: Windows;

  constructor(libpmem: Libpmem, windows: Windows) {
    this.#libpmem = libpmem;
    this.#windows = windows;
  }

  flush(offset: number, bytes: number): undefined {
    const { windowBytes } = this.#windows;
    for (let at = offset; at < offset + bytes; ) {
      const start = at % windowBytes;
      const part = Math.min(offset + bytes - at, windowBytes - start);
      const { address } = this.#windows.get(Math.floor(at / windowBytes));
      this.#libpmem.persist(address + start, part);
      at += part;
    }
    return undefined;
  }

  settled(): Promise<void> {
    return Promise.resolve();
  }
}

/**
 * The flusher that the file's medium asks for. libpmem is looked for only where it can apply: on a
 * mapping that the kernel granted MAP_SYNC, or when libpmem's own PMEM_IS_PMEM_FORCE asks for it.
 */
export function flusherFor(
  path: string,
  windows: Windows,
  header: HeaderWords,
  libc: Libc,
  typeOf: FileSystemType,
): Flusher {
  const { address } = windows.get(0);
  if (windows.synchronous || process.env["PMEM_IS_PMEM_FORCE"] === "1") {
    const libpmem = loadLibpmem();
    if (libpmem !== null && (windows.synchronous || libpmem.isPersistent(address, 4096))) {
      return new PersistentFlusher(libpmem, windows);
    }
  }
  if (isInMemory(path, typeOf)) return memoryFlusher;
  return new SyncFlusher(windows, header, libc);
}
