// Leases in one process; test/contract/mapped-processes.test.ts has the dying holders.

import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Grave, type Judgement, LeaseFiles } from "./lease-files.ts";
import { type Libc, systemLibc } from "./libc.ts";
import { PrivateFile } from "./private-file.ts";
import { bootId, pidNamespace, thisProcess } from "./processes.ts";

let directory: string;
let leases: LeaseFiles;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "pdpm-lease-"));
  leases = new LeaseFiles(directory);
});
afterEach(() => rmSync(directory, { recursive: true }));

/** A listed lease whose holder is gone, as after SIGKILL. */
function leaveDead(id: number, content = `${JSON.stringify(thisProcess())}\n`): void {
  writeFileSync(join(directory, "leases", String(id)), content, { mode: 0o600 });
}

function graveOf(judgement: Judgement): Grave {
  if (judgement.state !== "dead" || judgement.grave === null) throw new Error("no grave");
  return judgement.grave;
}

test("a client is alive from take to release, and names itself", () => {
  const lease = leases.take(7, { mapped: true });
  expect(new LeaseFiles(directory).judge(7)).toMatchObject({ state: "alive", pid: process.pid });
  const path = join(directory, "leases", "7");
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(JSON.parse(readFileSync(path, "utf8"))).toEqual({
    mapped: true,
    pid: process.pid,
    command: thisProcess().command,
    bootId: bootId(),
    pidNamespace: pidNamespace(),
  });
  lease.release();
  lease.release();
  expect(leases.judge(7)).toEqual({ state: "unknown" });
  expect(readdirSync(join(directory, "leases"))).toEqual([]);
});

test("an id is taken once", () => {
  const lease = leases.take(7);
  expect(() => leases.take(7)).toThrow(/PDPM_CORRUPT: client id 7 was handed out twice/);
  expect(leases.judge(7).state).toBe("alive");
  expect(readdirSync(join(directory, "leases"))).toEqual(["7"]);
  lease.release();
});

test("a lease is listed only when it is locked", () => {
  // Whoever looks at the moment of locking sees no lease, instead of one that seems dead.
  const seen: Judgement[] = [];
  const libc: Libc = new Proxy(systemLibc(), {
    get: (target, name) => {
      if (name !== "tryLock") return (target[name as keyof Libc] as () => unknown).bind(target);
      return (descriptor: number, mode: "exclusive") => {
        seen.push(leases.judge(7));
        return target.tryLock(descriptor, mode);
      };
    },
  });
  const lease = new LeaseFiles(directory, libc).take(7);
  expect(seen).toEqual([{ state: "unknown" }]);
  lease.release();
});

test("a lease whose lock fell is dead, for ever, and one at a time buries it", () => {
  leaveDead(3);
  const first = leases.judge(3);
  expect(first).toMatchObject({ state: "dead", owner: { pid: process.pid } });
  // While one holds the lock to bury it, the others must not take that lock for a sign of life.
  expect(leases.judge(3)).toMatchObject({ state: "dead", grave: null });
  graveOf(first).leave();
  const second = leases.judge(3);
  graveOf(second).buried();
  expect(leases.judge(3)).toEqual({ state: "unknown" });
  graveOf(second).buried();
  graveOf(first).buried();
});

test("a grave that was left cannot bury what another buries now", () => {
  leaveDead(3);
  const left = graveOf(leases.judge(3));
  left.leave();
  const holder = leases.judge(3);
  left.buried();
  expect(leases.scan()).toEqual([3]);
  graveOf(holder).buried();
  expect(leases.scan()).toEqual([]);
});

test("a lease that is buried between being opened and locked is unknown, not dead", () => {
  leaveDead(3);
  const grave = graveOf(leases.judge(3));
  const libc: Libc = new Proxy(systemLibc(), {
    get: (target, name) => {
      if (name !== "tryLock") return (target[name as keyof Libc] as () => unknown).bind(target);
      return (descriptor: number, mode: "exclusive") => {
        grave.buried();
        return target.tryLock(descriptor, mode);
      };
    },
  });
  expect(new LeaseFiles(directory, libc).judge(3)).toEqual({ state: "unknown" });
});

test("a lease that cannot be read is judged by its lock alone", () => {
  leaveDead(4, "");
  const judgement = leases.judge(4);
  expect(judgement).toMatchObject({ state: "dead", owner: null });
  expect(leases.judge(4)).toMatchObject({ state: "dead", grave: null });
  graveOf(judgement).buried();
});

test("a scan lists ids ascending, sweeps what dead makers left, and spares the living", () => {
  for (const id of [10, 9, 2]) leaveDead(id);
  const folder = join(directory, "leases");
  for (const name of ["notes", "007", ".lease-1-ab"]) writeFileSync(join(folder, name), "");
  const making = PrivateFile.make(systemLibc(), folder, "lease");
  expect(leases.scan()).toEqual([2, 9, 10]);
  const names = readdirSync(folder);
  expect(names).not.toContain(".lease-1-ab");
  expect(names.filter((name) => name.startsWith(".lease"))).toHaveLength(1);
  making.discard();
});

test("a maker whose private file is swept before it is locked tries again", () => {
  let sweeps = 2;
  const libc: Libc = new Proxy(systemLibc(), {
    get: (target, name) => {
      if (name !== "tryLock") return (target[name as keyof Libc] as () => unknown).bind(target);
      return (descriptor: number, mode: "exclusive") => {
        sweeps -= 1;
        if (sweeps >= 0) leases.scan();
        return target.tryLock(descriptor, mode);
      };
    },
  });
  const lease = new LeaseFiles(directory, libc).take(5);
  expect(sweeps).toBe(-1);
  expect(leases.judge(5).state).toBe("alive");
  lease.release();
});
