// Who this process is, and how another one is ended. A pid says little by itself: it is reused, and
// means something else in another pid namespace or after a reboot; so the three go together.

import { readFileSync, readlinkSync } from "node:fs";
import { basename } from "node:path";
import { checksum64 } from "@pdpm/layout/checksum";
import { type Libc, systemLibc } from "./libc.ts";

/** A process, as lock and lease files name it. */
export interface ProcessFacts {
  readonly pid: number;
  /** The program's name without its arguments, which may hold values of the store. */
  readonly command: string;
  readonly bootId: string;
  readonly pidNamespace: string;
}

let bootIdText: string | undefined;
let namespaceText: string | undefined;

/** The kernel's random name of this boot. */
export function bootId(): string {
  bootIdText ??= readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  return bootIdText;
}

/** The boot id as a word for the header's `inUseBoot`; never 0, which means "closed cleanly". */
export function bootWord(boot: string = bootId()): bigint {
  const word = checksum64(new TextEncoder().encode(boot));
  return word === 0n ? 1n : word;
}

/** Names the pid namespace of this process: equal texts on one boot mean equal meaning of pids. */
export function pidNamespace(): string {
  namespaceText ??= readlinkSync("/proc/self/ns/pid");
  return namespaceText;
}

/** This process. */
export function thisProcess(): ProcessFacts {
  const command = basename(process.argv[1] ?? process.execPath);
  return { pid: process.pid, command, bootId: bootId(), pidNamespace: pidNamespace() };
}

/** Whether a process of this host, in this pid namespace, has this pid now. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it runs, under another user.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/**
 * Kills the process with SIGKILL, through a pidfd, so that a pid that was given to another process
 * in between is never hit: `stillMeant` is asked after the pidfd was opened and before the signal.
 *
 * @returns false when there was no such process, or `stillMeant` said no. The process may take a
 *   while to end; its locks fall when it has.
 * @throws PDPM_UNAVAILABLE when the kernel does not allow it.
 */
export function endProcess(
  pid: number,
  stillMeant: () => boolean = () => true,
  libc: Libc = systemLibc(),
): boolean {
  const descriptor = libc.openProcess(pid);
  if (descriptor === null) return false;
  try {
    return stillMeant() && libc.killProcess(descriptor);
  } finally {
    libc.closeProcess(descriptor);
  }
}
