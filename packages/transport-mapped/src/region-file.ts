// The file `region.pm` of a memory node: made once, by one winner, and opened by everyone.
//
// What must hold:
// - The file appears with its whole header and all its space reserved, or not at all. Space is
//   reserved with posix_fallocate: a sparse file on a full disk would be a SIGBUS under the map.
// - Nothing is read from it or written into it with read(2) or write(2) once it is listed: both
//   build large folios in the page cache, and a flush would then write far more than what changed.
// - Before its header is read, the file is known to be long enough to be touched there.

import { randomBytes } from "node:crypto";
import { closeSync, fstatSync, mkdirSync, openSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { PdpmError } from "@pdpm/base";
import {
  decodeRegionHeader,
  encodeRegionHeader,
  invalidRegionHeader,
  invalidRegionSize,
  newerRegionFormat,
  type RegionHeader,
  regionHeaderBytes,
} from "@pdpm/layout/region-header";
import { type CallFailure, errno, type Libc, systemLibc } from "./libc.ts";
import { type FileSystemType, refuseRemote, systemFileSystemType } from "./local-file-system.ts";
import { PrivateFile, sweepPrivateFiles } from "./private-file.ts";
import { asPdpmError, hasCode } from "./system-error.ts";
import { Windows } from "./windows.ts";

/** The name of a region's file in its directory. */
export const regionFileName = "region.pm";
const prefix = "region";

/** What creating and opening take from outside; tests replace them. */
export interface RegionFileOptions {
  /** @defaultValue the C library of the system */
  readonly libc?: Libc;
  /** @defaultValue statfs(2) */
  readonly fileSystemType?: FileSystemType;
  /** A power of two of at least a page. @defaultValue 1 GiB */
  readonly windowBytes?: number;
}

/** An open region file with an intact header. */
export interface RegionFile {
  readonly path: string;
  readonly descriptor: number;
  readonly windows: Windows;
  readonly header: RegionHeader;
}

/**
 * Makes `DIRECTORY/region.pm` with `sizeBytes` bytes, all reserved and zero behind the header, and
 * the directory (mode 0700) if it is missing. Durable when it resolves.
 *
 * @returns false when another process made it first: open it.
 * @throws PDPM_UNSUPPORTED on a file system that is not local; PDPM_NO_SPACE; nothing is left then.
 */
export async function createRegionFile(
  directory: string,
  sizeBytes: number,
  options: RegionFileOptions = {},
): Promise<boolean> {
  const libc = options.libc ?? systemLibc();
  const reason = invalidRegionSize(sizeBytes);
  if (reason !== null) throw new PdpmError("PDPM_INVALID_ARGUMENT", reason);
  makeDirectory(libc, directory);
  refuseRemote(directory, options.fileSystemType ?? systemFileSystemType);
  sweepPrivateFiles(libc, directory, prefix);
  const file = PrivateFile.make(libc, directory, prefix);
  try {
    const failure = await libc.allocate(file.descriptor, 0, sizeBytes);
    if (failure !== null) throw reserveError(directory, failure);
    writeSync(file.descriptor, encodeRegionHeader(randomBytes(16), sizeBytes), 0);
    const lost = await libc.syncFile(file.descriptor);
    if (lost !== null) throw reserveError(directory, lost);
    const won = file.publish(join(directory, regionFileName));
    libc.syncDirectory(directory);
    return won;
  } finally {
    file.discard();
  }
}

/**
 * Opens `DIRECTORY/region.pm`, maps its first window and checks its header.
 *
 * @throws PDPM_INVALID_ARGUMENT when there is none; PDPM_CORRUPT when it is truncated or its header
 *   broken; PDPM_WRONG_STORE when its format is newer; PDPM_UNSUPPORTED on a remote file system.
 */
export function openRegionFile(directory: string, options: RegionFileOptions = {}): RegionFile {
  const libc = options.libc ?? systemLibc();
  const path = join(directory, regionFileName);
  const descriptor = openExisting(path);
  const windows = new Windows(libc, descriptor, options.windowBytes);
  try {
    refuseRemote(directory, options.fileSystemType ?? systemFileSystemType);
    // Its maker may not have come to this yet, and what we acknowledge must not lose its file.
    libc.syncDirectory(directory);
    return { path, descriptor, windows, header: readHeader(path, descriptor, windows) };
  } catch (error) {
    windows.unmap();
    closeSync(descriptor);
    throw error;
  }
}

/** The error of a reservation that failed. */
export function reserveError(place: string, failure: CallFailure): PdpmError {
  const full = failure.errno === errno.ENOSPC || failure.errno === errno.EDQUOT;
  if (!full) return new PdpmError("PDPM_UNAVAILABLE", `${place}: ${failure.text}`);
  return new PdpmError("PDPM_NO_SPACE", `the disk of ${place} is full: ${failure.text}`);
}

function openExisting(path: string): number {
  try {
    return openSync(path, "r+");
  } catch (error) {
    if (!hasCode(error, "ENOENT")) throw asPdpmError(`cannot open ${path}`, error);
    throw new PdpmError("PDPM_INVALID_ARGUMENT", `there is no region file ${path}`, {
      cause: error,
    });
  }
}

function readHeader(path: string, descriptor: number, windows: Windows): RegionHeader {
  // A shorter file is not touched: beyond its end there is a SIGBUS.
  const hasHeader = fstatSync(descriptor).size >= regionHeaderBytes;
  const bytes = hasHeader ? windows.get(0).bytes.slice(0, regionHeaderBytes) : new Uint8Array(0);
  // Asked again: the file may have grown, and its header says so already.
  const reason = invalidRegionHeader(bytes, fstatSync(descriptor).size);
  if (reason !== null) throw new PdpmError("PDPM_CORRUPT", `${path}: ${reason}`);
  const newer = newerRegionFormat(bytes);
  if (newer !== null) throw new PdpmError("PDPM_WRONG_STORE", `${path}: ${newer}`);
  return decodeRegionHeader(bytes);
}

function makeDirectory(libc: Libc, directory: string): void {
  try {
    const made = mkdirSync(directory, { recursive: true, mode: 0o700 });
    if (made !== undefined) libc.syncDirectory(dirname(made));
  } catch (error) {
    throw asPdpmError(`cannot make the directory ${directory}`, error);
  }
}
