// The mark "in use since boot X" in a region's header: set by whoever enters, cleared by whoever
// leaves last, after making everything durable. Both under one lock, so that no one enters in
// between. A store that promises "process" durability only, and whose mark names another boot, is
// not believed.

import { join } from "node:path";
import type { Clock } from "@pdpm/base";
import { bootWord, FileLock, LeaseFiles, type MappedRegion } from "@pdpm/transport-mapped";

/** The lock is held shortly; who does not get it by then reports the holder. */
const useLockMs = 10_000;

function useLock(clock: Clock, directory: string): Promise<FileLock> {
  return FileLock.wait(clock, join(directory, "locks", "use"), "exclusive", useLockMs);
}

/** Sets the mark and runs `enter`, which takes a lease file. */
export async function beginUse<T>(
  clock: Clock,
  directory: string,
  region: MappedRegion,
  enter: () => Promise<T>,
): Promise<T> {
  const use = await useLock(clock, directory);
  try {
    if (region.header.load("inUseBoot") !== bootWord()) {
      region.header.store("inUseBoot", bootWord());
      await region.flushHeaderWord("inUseBoot");
    }
    return await enter();
  } finally {
    use.release();
  }
}

/** Whoever closes last makes everything durable and clears the mark. Closes region and lock. */
export async function endUse(
  clock: Clock,
  directory: string,
  region: MappedRegion,
  lock: FileLock,
): Promise<void> {
  try {
    const use = await useLock(clock, directory);
    try {
      if (!hasLivingLease(directory)) {
        await region.flushAll();
        region.header.store("inUseBoot", 0n);
        await region.flushHeaderWord("inUseBoot");
      }
    } finally {
      use.release();
    }
  } finally {
    await region.close();
    lock.release();
  }
}

function hasLivingLease(directory: string): boolean {
  const leases = new LeaseFiles(directory);
  return leases.scan().some((id) => {
    const judgement = leases.judge(id);
    if (judgement.state === "dead") judgement.grave?.leave();
    return judgement.state === "alive";
  });
}
