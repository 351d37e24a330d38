// Files that appear all at once: made, filled and locked under a private name, then linked under
// the name that others look for. What a dead maker left under private names is swept by the next
// one.
//
// What must hold: whoever holds the lock of a private file and sees that it still has a name keeps
// it; a sweeper removes names only under that lock.

import { randomBytes } from "node:crypto";
import { closeSync, fstatSync, linkSync, openSync, readdirSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { PdpmError } from "@pdpm/base";
import type { Libc } from "./libc.ts";
import { asPdpmError, hasCode } from "./system-error.ts";

const triesMost = 100;

/** Removes a name if it is there. */
export function removeName(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (!hasCode(error, "ENOENT")) throw error;
  }
}

/** A file without a public name yet. Its descriptor holds its exclusive lock. */
export class PrivateFile {
  readonly path: string;
  readonly descriptor: number;

  private constructor(path: string, descriptor: number) {
    this.path = path;
    this.descriptor = descriptor;
  }

  /** A fresh, empty, locked file `DIRECTORY/.PREFIX-...`, mode 0600. */
  static make(libc: Libc, directory: string, prefix: string): PrivateFile {
    for (let attempt = 1; attempt <= triesMost; attempt += 1) {
      const name = `.${prefix}-${process.pid}-${randomBytes(8).toString("hex")}`;
      const path = join(directory, name);
      const descriptor = openNew(path);
      if (libc.tryLock(descriptor, "exclusive") && fstatSync(descriptor).nlink === 1) {
        return new PrivateFile(path, descriptor);
      }
      // A sweeper was faster than our lock.
      closeSync(descriptor);
      removeName(path);
    }
    throw new PdpmError(
      "PDPM_BUSY",
      `a new file in ${directory} was swept away ${triesMost} times`,
    );
  }

  /** Gives the file its public name. False when that name is taken: the file stays private. */
  publish(path: string): boolean {
    try {
      linkSync(this.path, path);
    } catch (error) {
      if (hasCode(error, "EEXIST")) return false;
      throw asPdpmError(`cannot make ${path}`, error);
    }
    removeName(this.path);
    return true;
  }

  /** Removes the private name, if there still is one, and closes the file. */
  discard(): void {
    removeName(this.path);
    closeSync(this.descriptor);
  }
}

function openNew(path: string): number {
  try {
    return openSync(path, "wx+", 0o600);
  } catch (error) {
    throw asPdpmError(`cannot make ${path}`, error);
  }
}

/** Removes the private files with this prefix whose makers are dead. */
export function sweepPrivateFiles(libc: Libc, directory: string, prefix: string): void {
  for (const name of readdirSync(directory)) {
    if (!name.startsWith(`.${prefix}-`)) continue;
    const path = join(directory, name);
    let descriptor: number;
    try {
      descriptor = openSync(path, "r+");
    } catch {
      // Published, or swept by another, in between.
      continue;
    }
    if (libc.tryLock(descriptor, "exclusive")) removeName(path);
    closeSync(descriptor);
  }
}
