// Named locks between processes and threads: one flock(2) on one file that is never removed, so
// that nobody can hold the lock of a file that others no longer find. The lock falls when its
// descriptor is closed: by release, by the end of the process, or by the end of the worker thread.
//
// Holders write who they are into the file, for error messages only; the lock itself is the truth.

import { closeSync, fstatSync, ftruncateSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { type Clock, PdpmError, sleep } from "@pdpm/base";
import { type Libc, systemLibc } from "./libc.ts";
import { isRunning, type ProcessFacts, pidNamespace, thisProcess } from "./processes.ts";
import { asPdpmError, writeNote } from "./system-error.ts";

/**
 * The lock on a node's directory: its memory node holds it alone, embedded clients share it. In
 * `DIR/locks`.
 */
export const nodeLockName = "node";

/** Any number of shared holders, or one exclusive one. */
export type LockMode = "shared" | "exclusive";

/** Above this the lines of past shared holders are dropped. */
const notesBytesMost = 64 * 1024;
const pauseMs = 5;

/** A lock that is held. */
export class FileLock {
  readonly path: string;
  #descriptor: number | undefined;

  private constructor(path: string, descriptor: number) {
    this.path = path;
    this.#descriptor = descriptor;
  }

  /** Takes the lock now, or returns null when another holder excludes it. */
  static tryTake(path: string, mode: LockMode, libc: Libc = systemLibc()): FileLock | null {
    const descriptor = openLockFile(path);
    let taken = false;
    try {
      taken = libc.tryLock(descriptor, mode);
      if (!taken) return null;
      if (mode === "exclusive" || fstatSync(descriptor).size > notesBytesMost) {
        ftruncateSync(descriptor, 0);
      }
      writeNote(descriptor, `${JSON.stringify(thisProcess())}\n`);
      return new FileLock(path, descriptor);
    } finally {
      if (!taken) closeSync(descriptor);
    }
  }

  /** Takes the lock now. @throws PDPM_IN_USE naming the holder's pid and command. */
  static take(path: string, mode: LockMode, libc: Libc = systemLibc()): FileLock {
    const lock = FileLock.tryTake(path, mode, libc);
    if (lock !== null) return lock;
    throw new PdpmError("PDPM_IN_USE", `${path} is held by ${holderText(path)}`);
  }

  /** Takes the lock, trying for `timeoutMs`. @throws PDPM_IN_USE naming the holder. */
  static async wait(
    clock: Clock,
    path: string,
    mode: LockMode,
    timeoutMs: number,
    libc: Libc = systemLibc(),
  ): Promise<FileLock> {
    const deadline = clock.now() + timeoutMs;
    while (clock.now() < deadline) {
      const lock = FileLock.tryTake(path, mode, libc);
      if (lock !== null) return lock;
      await sleep(clock, pauseMs);
    }
    return FileLock.take(path, mode, libc);
  }

  /** Lets go. The second time does nothing. */
  release(): void {
    if (this.#descriptor === undefined) return;
    closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }
}

function openLockFile(path: string): number {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    return openSync(path, "a+", 0o600);
  } catch (error) {
    throw asPdpmError(`cannot open the lock file ${path}`, error);
  }
}

/** The processes that wrote themselves into a lock file and may still hold it, latest first. */
export function holdersOf(path: string): ProcessFacts[] {
  const holders: ProcessFacts[] = [];
  for (const line of readFileSync(path, "utf8").split("\n")) {
    const facts = parseFacts(line);
    if (facts === null) continue;
    const judgeable = facts.pidNamespace === pidNamespace();
    if (!judgeable || isRunning(facts.pid)) holders.unshift(facts);
  }
  return holders;
}

/** `pid 17 (bench.js)`, for messages. */
export function processText(facts: ProcessFacts): string {
  const where = facts.pidNamespace === pidNamespace() ? "" : " of another pid namespace";
  return `pid ${facts.pid}${where} (${facts.command})`;
}

function holderText(path: string): string {
  const [holder] = holdersOf(path);
  return holder === undefined ? "a process that has not written its name yet" : processText(holder);
}

/** The facts on one line of a lock or lease file, or null when it is something else. */
export function parseFacts(line: string): ProcessFacts | null {
  try {
    const { pid, command, bootId, pidNamespace: space } = JSON.parse(line) as ProcessFacts;
    const texts = [command, bootId, space].every((text) => typeof text === "string");
    return Number.isSafeInteger(pid) && texts
      ? { pid, command, bootId, pidNamespace: space }
      : null;
  } catch {
    return null;
  }
}
