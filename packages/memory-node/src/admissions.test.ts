// Admission and fencing while verbs of the old connection still run: the connections are made up,
// so that they end when the test says so.

import { mkdtemp, rm } from "node:fs/promises";
import { systemClock } from "@pdpm/base";
import { createRegionFile, LeaseFiles, MappedRegion } from "@pdpm/transport-mapped";
import { type Connection, clientIdLimit } from "@pdpm/transport-ws";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Admissions } from "./admissions.ts";
import { FencedIds } from "./fenced-ids.ts";
import { MappedClients } from "./mapped-clients.ts";

let dir: string;
let region: MappedRegion;
let fenced: FencedIds;
let admissions: Admissions;

beforeEach(async () => {
  dir = await mkdtemp("/dev/shm/pdpm-admissions-");
  await createRegionFile(dir, 4096);
  region = MappedRegion.open(dir, systemClock);
  fenced = await FencedIds.open(dir, () => true);
  admissions = new Admissions(region, fenced, new MappedClients(dir));
});
afterEach(async () => {
  await fenced.close();
  await region.close();
  await rm(dir, { recursive: true });
});

/** A connection with verbs that run until `settle`. */
class Busy implements Connection {
  isEnded = false;
  reason = "";
  settle: () => void = () => undefined;
  readonly gone: Promise<void> = new Promise((resolve) => {
    this.settle = resolve;
  });

  end(reason: string): Promise<void> {
    this.isEnded = true;
    this.reason ||= reason;
    return this.gone;
  }
}

/** Whether the promise settles without more help. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const note = (): void => {
    settled = true;
  };
  promise.then(note, note);
  // Longer than a file's write and sync in memory takes.
  await new Promise((resolve) => setTimeout(resolve, 50));
  return settled;
}

test("a new connection is admitted when nothing of the old one runs any more", async () => {
  const old = new Busy();
  const fresh = new Busy();
  await admissions.admit(old, 5);
  const admission = admissions.admit(fresh, 5);
  expect(await isSettled(admission)).toBe(false);
  expect(old.isEnded).toBe(true);
  expect(old.reason).toMatch("came back");
  old.settle();
  expect(await admission).toBe(5);
  // The old one's end does not take the new one off the list.
  const fence = admissions.fence(5);
  expect(await isSettled(fence)).toBe(false);
  expect(fresh.isEnded).toBe(true);
  fresh.settle();
  await fence;
});

test("an old connection that closed by itself is waited for as well", async () => {
  const old = new Busy();
  await admissions.admit(old, 5);
  old.isEnded = true;
  const admission = admissions.admit(new Busy(), 5);
  expect(await isSettled(admission)).toBe(false);
  old.settle();
  expect(await admission).toBe(5);
});

test("a fence is answered when the refusal is durable and nothing of the id runs", async () => {
  const victim = new Busy();
  await admissions.admit(victim, 5);
  const fence = admissions.fence(5);
  expect(await isSettled(fence)).toBe(false);
  expect(victim.reason).toMatch("fenced");
  victim.settle();
  await fence;
  expect(fenced.has(5)).toBe(true);
  expect(admissions.fenced).toEqual({ ids: 1, through: 0 });
});

test("while a fence waits its id is not admitted, and an admission under way is refused", async () => {
  const victim = new Busy();
  await admissions.admit(victim, 5);
  const underWay = admissions.admit(new Busy(), 5);
  expect(await isSettled(underWay)).toBe(false);
  const fence = admissions.fence(5);
  const late = admissions.admit(new Busy(), 5);
  const refusals = Promise.allSettled([underWay, late]);
  victim.settle();
  await fence;
  for (const refusal of await refusals) {
    expect(refusal).toMatchObject({ status: "rejected", reason: { code: "PDPM_FENCED" } });
  }
});

test("other ids do not wait for one that is slow to end", async () => {
  await admissions.admit(new Busy(), 5);
  const slow = admissions.fence(5);
  expect(await admissions.admit(new Busy(), 6)).toBe(6);
  await admissions.fence(7);
  expect(await isSettled(slow)).toBe(false);
});

test("a connection that ended while it was admitted is not kept", async () => {
  const ended = new Busy();
  ended.isEnded = true;
  await admissions.admit(ended, 5);
  // Otherwise this would wait for it for ever.
  expect(await admissions.admit(new Busy(), 5)).toBe(5);
});

test("a fence that cannot be made durable is not answered, and its id stays refused", async () => {
  await fenced.close();
  await expect(admissions.fence(5)).rejects.toMatchObject({ code: "PDPM_UNAVAILABLE" });
  await expect(admissions.admit(new Busy(), 5)).rejects.toMatchObject({ code: "PDPM_FENCED" });
  fenced = await FencedIds.open(dir, () => true);
});

test("of an earlier incarnation only mapped clients that live are admitted, unless they were fenced", async () => {
  region.header.store("fencedThrough", 9n);
  await admissions.fence(6);
  const leases = [5, 6].map((id) => new LeaseFiles(dir).take(id));
  for (const id of [4, 6]) {
    await expect(admissions.admit(new Busy(), id)).rejects.toMatchObject({ code: "PDPM_FENCED" });
  }
  expect(await admissions.admit(new Busy(), 5)).toBe(5);
  for (const lease of leases) lease.release();
});

test("a client that holds a lease here is not fenced, and nothing of it ends, until it lets go", async () => {
  const lease = new LeaseFiles(dir).take(5);
  const mapped = new Busy();
  await admissions.admit(mapped, 5);
  await expect(admissions.fence(5)).rejects.toMatchObject({
    code: "PDPM_BUSY",
    message: expect.stringContaining(`pid ${process.pid}`),
  });
  expect(mapped.isEnded).toBe(false);
  expect(fenced.has(5)).toBe(false);
  expect(admissions.judge(5)).toEqual({ alive: true, pid: process.pid });
  // It may still come back on another connection.
  mapped.settle();
  expect(await admissions.admit(new Busy(), 5)).toBe(5);
  lease.release();
  const fence = admissions.fence(5);
  expect(admissions.judge(5)).toEqual({ alive: false });
  expect(await isSettled(fence)).toBe(false); // Its last connection is being ended.
});

test("a lease that is taken once a fence was asked for does not count as alive", async () => {
  const slow = new Busy();
  await admissions.admit(slow, 5);
  const fence = admissions.fence(5);
  const lease = new LeaseFiles(dir).take(5);
  expect(admissions.judge(5)).toEqual({ alive: false });
  slow.settle();
  await fence;
  expect(admissions.judge(5)).toEqual({ alive: false });
  lease.release();
});

test("ids that are used up are PDPM_NO_SPACE", async () => {
  region.header.store("nextClientId", BigInt(clientIdLimit - 2));
  expect(await admissions.admit(new Busy(), undefined)).toBe(clientIdLimit - 1);
  await expect(admissions.admit(new Busy(), undefined)).rejects.toMatchObject({
    code: "PDPM_NO_SPACE",
  });
});
