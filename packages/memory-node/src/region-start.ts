// Brings a node's region up: creates it if it is missing, and finds out what happened before.
//
// - The word `inUseBoot` is set while a node (or a mapped client) uses the region and cleared by a
//   clean close. Found set, it means that something died: this start is a new incarnation, which
//   refuses every ws client id that was ever admitted here (H19).
// - A store of durability "process" believes nothing across a boot without such a close.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Clock, PdpmError } from "@pdpm/base";
import {
  bootWord,
  createRegionFile,
  FileLock,
  MappedRegion,
  regionFileName,
} from "@pdpm/transport-mapped";
import { labelOf } from "./label.ts";
import type { MappedClients } from "./mapped-clients.ts";

/** The lock in `DIR/locks` under which the mark `inUseBoot` is set and cleared. Held shortly. */
export const useLockName = "use";
const useLockMs = 10_000;

/** How large a region is. Bytes, header included. */
export interface RegionSize {
  readonly initialBytes: number;
  readonly maxBytes: number | undefined;
}

/** Opens `DIRECTORY/region.pm` for a node. The caller holds the directory's node lock. */
export async function startRegion(
  directory: string,
  clock: Clock,
  { initialBytes, maxBytes }: RegionSize,
): Promise<MappedRegion> {
  if (!existsSync(join(directory, regionFileName))) {
    await createRegionFile(directory, initialBytes);
  }
  const region = MappedRegion.open(directory, clock, maxBytes === undefined ? {} : { maxBytes });
  try {
    await takeIntoUse(directory, region);
    return region;
  } catch (error) {
    await region.close();
    throw error;
  }
}

async function takeIntoUse(directory: string, region: MappedRegion): Promise<void> {
  const { header } = region;
  const poisoned = header.load("poisoned");
  if (poisoned !== 0n) {
    const text = `a flush of ${region.file.path} failed (error ${poisoned})`;
    throw new PdpmError("PDPM_POISONED", `${text}; ${fsckAdvice(directory)}`);
  }
  const inUse = header.load("inUseBoot");
  const isOtherBoot = inUse !== 0n && inUse !== bootWord();
  if (isOtherBoot && labelOf(header)?.durability === "process") {
    const text = `${region.file.path} was in use when the machine went down, and its store is one of`;
    const why = `durability "process"; ${fsckAdvice(directory)}`;
    throw new PdpmError("PDPM_CORRUPT", `${text} ${why}`);
  }
  if (inUse !== 0n) await beginIncarnation(region);
  header.store("inUseBoot", bootWord());
  await region.flushHeaderWord("inUseBoot");
}

/** Something died: no ws client of before is admitted any more. */
async function beginIncarnation(region: MappedRegion): Promise<void> {
  const { header } = region;
  header.fetchAdd("incarnation", 1n);
  header.raise("fencedThrough", header.load("admittedThrough"));
  header.raise("nextClientId", header.load("fencedThrough"));
  for (const name of ["incarnation", "fencedThrough", "nextClientId"] as const) {
    await region.flushHeaderWord(name);
  }
}

/**
 * Makes everything durable and says so in the header, unless mapped clients still use the region:
 * then the last of them does. Closes the region in any case. Rejects with PDPM_POISONED.
 */
export async function endRegion(
  directory: string,
  clock: Clock,
  region: MappedRegion,
  mappedClients: MappedClients,
): Promise<void> {
  try {
    const path = join(directory, "locks", useLockName);
    const use = await FileLock.wait(clock, path, "exclusive", useLockMs);
    try {
      await region.flushAll();
      if (mappedClients.isAnyAlive) return;
      region.header.store("inUseBoot", 0n);
      await region.flushHeaderWord("inUseBoot");
    } finally {
      use.release();
    }
  } finally {
    await region.close();
  }
}

function fsckAdvice(directory: string): string {
  return `run \`pdpm fsck ${directory} --repair --yes\``;
}
