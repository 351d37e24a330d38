// Mapped memory is shared by processes of one host only: on a network file system two hosts would
// map one file, see different bytes and both hold "the" lock. Such file systems are refused.

import { statfsSync } from "node:fs";
import { PdpmError } from "@pdpm/base";

/** `f_type` of statfs(2) -> its name, for file systems that are not, or may not be, local. */
const remoteTypes: ReadonlyMap<number, string> = new Map([
  [0x6969, "NFS"],
  [0x517b, "SMB"],
  [0xff534d42, "CIFS"],
  [0xfe534d42, "SMB2"],
  [0x01021997, "9p"],
  [0x65735546, "FUSE"],
  [0x00c36400, "Ceph"],
  [0x5346414f, "AFS"],
  [0x6b414653, "AFS"],
  [0x73757245, "Coda"],
  [0x564c, "NCP"],
  [0x7461636f, "OCFS2"],
  [0x01161970, "GFS2"],
  [0x0bd00bd0, "Lustre"],
  [0x47504653, "GPFS"],
  [0x19830326, "BeeGFS"],
  [0x786f4256, "vboxsf"],
  [0xbacbacbc, "vmhgfs"],
]);

/** tmpfs, ramfs and hugetlbfs live in memory: a flush has nothing to make durable. */
const memoryTypes: ReadonlySet<number> = new Set([0x01021994, 0x858458f6, 0x958458f6]);

/** Looks up `f_type` of the file system that carries a path. */
export type FileSystemType = (path: string) => number;

/** What the kernel says. */
export const systemFileSystemType: FileSystemType = (path) => statfsSync(path).type;

/** True when the file system of `path` keeps its files in memory. */
export function isInMemory(path: string, typeOf: FileSystemType = systemFileSystemType): boolean {
  return memoryTypes.has(typeOf(path) >>> 0);
}

/** @throws PDPM_UNSUPPORTED when other hosts may see the files of `directory`. */
export function refuseRemote(
  directory: string,
  typeOf: FileSystemType = systemFileSystemType,
): void {
  const name = remoteTypes.get(typeOf(directory) >>> 0);
  if (name === undefined) return;
  const advice = "use a directory on a local disk or in /dev/shm, and reach it from other hosts";
  throw new PdpmError(
    "PDPM_UNSUPPORTED",
    `${directory} is on ${name}, which is not a local file system; ${advice} through a memory node`,
  );
}
