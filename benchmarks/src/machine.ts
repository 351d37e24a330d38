// The machine that numbers belong to, and where their files lie.

import { rmSync } from "node:fs";
import { mkdtemp, rm, statfs } from "node:fs/promises";
import { availableParallelism, cpus, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { wallClockText } from "@pdpm/base";

/** Printed above all results. */
export function machineLines(): string[] {
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`;
  const cpu = cpus()[0]?.model.trim() || "unknown";
  return [
    `Node ${process.version}, Linux ${release()}, ${availableParallelism()} cores (${cpu}), ${memory}`,
    `${wallClockText()}; other processes on this machine move every number here`,
  ];
}

/** Lends a folder in memory (or on the disk, where there is no /dev/shm with room) to `work`. */
export async function inFolder<T>(
  bytes: number,
  work: (path: string, where: string) => Promise<T>,
): Promise<T> {
  const hasRoom = await freeBytes("/dev/shm").then((free) => free >= 2 * bytes);
  const parent = hasRoom ? "/dev/shm" : tmpdir();
  const path = await mkdtemp(join(parent, "pdpm-benchmark-"));
  const onInterrupt = (): void => {
    rmSync(path, { recursive: true, force: true });
    process.kill(process.pid, "SIGINT");
  };
  process.once("SIGINT", onInterrupt);
  try {
    return await work(path, hasRoom ? "tmpfs" : `files in ${tmpdir()}`);
  } finally {
    process.removeListener("SIGINT", onInterrupt);
    await rm(path, { recursive: true, force: true });
  }
}

async function freeBytes(path: string): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(path);
    return bavail * bsize;
  } catch {
    return 0; // There is no such folder.
  }
}
