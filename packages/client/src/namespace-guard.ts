// LMDB knows its writers by process id, so two processes with the same id, in different pid
// namespaces, freeze each other. A store with metadata in LMDB is therefore open in one pid
// namespace at a time; whoever comes from another is refused before LMDB is touched.
//
// What must hold: every opener holds a shared lock on its own namespace's file first and looks at
// the others' after that. Of two who come at once, from two namespaces, each sees the other; at
// least one is refused, and never are both let in.

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { PdpmError } from "@pdpm/base";
import { FileLock, pidNamespace } from "@pdpm/transport-mapped";

const prefix = "namespace-";

/**
 * Enters the store in `directory` from this pid namespace. The lock is held while it is open.
 * @param space - This process's namespace, as /proc/self/ns/pid names it.
 * @throws PDPM_IN_USE when it is open in another one.
 */
export function enterNamespace(directory: string, space: string = pidNamespace()): FileLock {
  const locks = join(directory, "locks");
  const own = `${prefix}${space.replaceAll(/[^0-9a-z]/g, "")}`;
  const lock = FileLock.take(join(locks, own), "shared");
  try {
    for (const name of readdirSync(locks)) {
      if (!name.startsWith(prefix) || name === own) continue;
      const other = FileLock.tryTake(join(locks, name), "exclusive");
      if (other === null) throw inOther(directory);
      other.release();
    }
    return lock;
  } catch (error) {
    lock.release();
    throw error;
  }
}

function inOther(directory: string): PdpmError {
  return new PdpmError(
    "PDPM_IN_USE",
    `${directory} is open in another pid namespace (a container?), and its metadata can be shared ` +
      "within one only: run both in one pid namespace, or serve the store with " +
      '"pdpm memory-node" and "pdpm metadata-server" and connect',
  );
}
