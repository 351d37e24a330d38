// A folder of our own that goes away with us, in memory where there is room, else on the disk.

import { mkdtemp, rm, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Where files lie, for reports. */
export interface Medium {
  readonly path: string;
  /** The kind of file system: "tmpfs", "ext4". */
  readonly fileSystem: string;
  readonly freeBytes: number;
}

/** What statfs calls them; from linux/magic.h. */
const fileSystems: Readonly<Record<number, string>> = {
  16914836: "tmpfs",
  61267: "ext4",
  1481003842: "xfs",
  2435016766: "btrfs",
  2035054128: "overlayfs",
  801189825: "zfs",
};

const memoryFolder = "/dev/shm";

/** What holds the files under `path`. */
export async function mediumOf(path: string): Promise<Medium> {
  const { type, bavail, bsize } = await statfs(path);
  const fileSystem = fileSystems[type] ?? `0x${type.toString(16)}`;
  return { path, fileSystem, freeBytes: bavail * bsize };
}

/** See the head of this file. */
export class TemporaryFolder {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /**
   * Makes one; its path names the process, so whoever finds it left behind knows whose it was.
   * @param memoryBytes - What will be kept there: /dev/shm is taken when it has twice as much free.
   *   Without it the folder is in the system's directory for temporary files.
   */
  static async make(name: string, memoryBytes?: number): Promise<TemporaryFolder> {
    const parent =
      memoryBytes !== undefined && (await hasRoom(2 * memoryBytes)) ? memoryFolder : tmpdir();
    return new TemporaryFolder(await mkdtemp(join(parent, `pdpm-${name}-${process.pid}-`)));
  }

  /** Removes it and everything in it. */
  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}

async function hasRoom(bytes: number): Promise<boolean> {
  try {
    return (await mediumOf(memoryFolder)).freeBytes >= bytes;
  } catch {
    return false; // There is no such folder.
  }
}
