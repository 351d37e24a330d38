// evict: ends a process that holds up an embedded store (one that was stopped in the middle of a
// write, say) and takes back at once what its clients held. Others would do so by themselves, once
// it is dead.
//
// What must hold: only a process that holds a lease of this store is ended. Its pid is looked up in
// the lease files, and again through a pidfd just before the signal, so that no other process is
// hit.

import { type Clock, isPdpmError, PdpmError, sleep, systemClock } from "@pdpm/base";
import { endProcess, LeaseFiles, pidNamespace } from "@pdpm/transport-mapped";
import { storePath } from "./fsck.ts";
import { openEmbedded } from "./open.ts";
import { clientOptions } from "./options.ts";
import { requireLinux } from "./platform.ts";

/** What evict did. */
export interface Evicted {
  /** Clients (threads that had opened the store) of the process that was ended. */
  readonly clients: number;
  /** Of these, how many hold nothing any more; the rest is taken back by who has the store open. */
  readonly reaped: number;
}

/**
 * A process that was killed has ended by then, unless the kernel cannot let go of it. Milliseconds.
 */
const endMs = 10_000;
const pauseMs = 5;

/**
 * Ends the process `pid`, which has the store in `directory` open, and takes back what it held.
 *
 * @throws PDPM_INVALID_ARGUMENT when no client of the store has that pid, or it is the caller
 * itself;
 *   PDPM_UNSUPPORTED when the pid is one of another pid namespace; PDPM_UNAVAILABLE when it may not
 *   be ended; PDPM_TIMEOUT when it does not end; and what open() throws.
 */
export async function evict(directory: string, pid: number): Promise<Evicted> {
  requireLinux();
  const path = storePath(directory);
  if (!Number.isSafeInteger(pid) || pid < 1) {
    throw new PdpmError("PDPM_INVALID_ARGUMENT", `evict needs the id of a process, not ${pid}`);
  }
  if (pid === process.pid) {
    throw new PdpmError("PDPM_INVALID_ARGUMENT", "a process cannot evict itself; close the store");
  }
  const leases = new LeaseFiles(path);
  const ids = clientsOf(path, leases, pid);
  endProcess(pid, () => ids.some((id) => isHeldBy(leases, id, pid)));
  await untilDead(systemClock, leases, ids, pid);
  return { clients: ids.length, reaped: await reap(path, leases, ids) };
}

/** Whether client `id` lives, in process `pid` of this pid namespace. */
function isHeldBy(leases: LeaseFiles, id: number, pid: number): boolean {
  return holderOf(leases, id, pid) === pidNamespace();
}

/**
 * The pid namespace of the process `pid` that holds the lease `id`; undefined if another one does.
 */
function holderOf(leases: LeaseFiles, id: number, pid: number): string | undefined {
  const judgement = leases.judge(id);
  if (judgement.state === "dead") judgement.grave?.leave();
  if (judgement.state !== "alive" || judgement.owner?.pid !== pid) return undefined;
  return judgement.owner.pidNamespace;
}

function clientsOf(path: string, leases: LeaseFiles, pid: number): number[] {
  const all = leases.scan();
  const ids = all.filter((id) => isHeldBy(leases, id, pid));
  if (ids.length > 0) return ids;
  if (all.some((id) => holderOf(leases, id, pid) !== undefined)) {
    throw new PdpmError(
      "PDPM_UNSUPPORTED",
      `pid ${pid} is a process of another pid namespace (a container?); run evict there`,
    );
  }
  throw new PdpmError("PDPM_INVALID_ARGUMENT", `no client of ${path} has pid ${pid}`);
}

/** Waits until the locks of the process have fallen. */
async function untilDead(
  clock: Clock,
  leases: LeaseFiles,
  ids: readonly number[],
  pid: number,
): Promise<void> {
  const deadline = clock.now() + endMs;
  while (ids.some((id) => isHeldBy(leases, id, pid))) {
    if (clock.now() >= deadline) {
      const text = `pid ${pid} was sent SIGKILL, and has not ended in ${endMs} ms`;
      throw new PdpmError("PDPM_TIMEOUT", text, { outcome: "unknown" });
    }
    await sleep(clock, pauseMs);
  }
}

/** Takes back what dead clients held. Returns of how many everything is settled. */
async function reap(path: string, leases: LeaseFiles, ids: readonly number[]): Promise<number> {
  try {
    const client = await openEmbedded(path, clientOptions({}, "open"));
    try {
      for (const id of ids) await client.housekeeping.takeBack(id);
    } finally {
      await client.backend.close(endMs);
    }
  } catch (error) {
    // A memory node serves the directory: those who are connected to it settle the rest.
    const isServed = isPdpmError(error) && ["PDPM_IN_USE", "PDPM_WRONG_STORE"].includes(error.code);
    if (!isServed) throw error;
  }
  const left = new Set(leases.scan());
  return ids.filter((id) => !left.has(id)).length;
}
