// Lets a region grow, one process at a time. In order: reserve the space and make the longer file
// durable, raise the word `sizeBytes`, make it durable. A process that dies in between leaves a
// file that is longer than its header says, which the next one grows into. A region never shrinks.

import { fstatSync, ftruncateSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Clock, PdpmError } from "@pdpm/base";
import { regionPageBytes } from "@pdpm/layout/region-header";
import { FileLock } from "./file-lock.ts";
import type { HeaderWords } from "./header-words.ts";
import type { Libc } from "./libc.ts";
import { poison } from "./poison.ts";
import { reserveError } from "./region-file.ts";

/** Another process may be zeroing as much as a chunk on a slow disk. */
const lockTimeoutMs = 60_000;

/** What growing needs of an open region. */
export interface GrowingRegion {
  readonly path: string;
  readonly descriptor: number;
  readonly header: HeaderWords;
  readonly maxBytes: number;
}

/**
 * The region has at least `sizeBytes` usable bytes when this resolves; the caller flushes the
 * header.
 * @throws PDPM_NO_SPACE, with nothing changed; PDPM_IN_USE when another process grows it too long.
 */
export async function growRegion(
  clock: Clock,
  libc: Libc,
  region: GrowingRegion,
  sizeBytes: number,
): Promise<void> {
  const { descriptor, header, maxBytes, path } = region;
  if (!Number.isSafeInteger(sizeBytes)) {
    throw new PdpmError("PDPM_INVALID_ARGUMENT", `a size of ${sizeBytes} bytes is not a number`);
  }
  const wanted = Math.ceil(sizeBytes / regionPageBytes) * regionPageBytes;
  if (wanted > maxBytes) {
    const text = `${path} may have ${maxBytes} bytes, and ${wanted} are needed`;
    throw new PdpmError("PDPM_NO_SPACE", text);
  }
  const lockPath = join(dirname(path), "locks", "extend");
  const lock = await FileLock.wait(clock, lockPath, "exclusive", lockTimeoutMs, libc);
  try {
    const usable = Number(header.load("sizeBytes"));
    if (usable >= wanted) return;
    const { size } = fstatSync(descriptor);
    const failure = await libc.allocate(descriptor, usable, wanted - usable);
    if (failure !== null) {
      // ext4 keeps what it reserved before the disk was full. Nobody touches it: it is behind
      // `usable`.
      ftruncateSync(descriptor, Math.max(size, usable));
      throw reserveError(path, failure);
    }
    const lost = await libc.syncFile(descriptor);
    if (lost !== null) throw poison(header, lost);
    header.raise("sizeBytes", BigInt(wanted));
  } finally {
    lock.release();
  }
}
