// A turnstile: who is alone meets nobody, and nobody waits for ever. Two objects are two processes
// here: their descriptors are their own, and flock knows no more than that.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sleep, systemClock } from "@pdpm/base";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FileLock } from "./file-lock.ts";
import { Turnstile } from "./turnstile.ts";

let directory: string;
let path: string;
const made: Turnstile[] = [];

const turnstile = (timeoutMs = 5000): Turnstile => {
  const one = new Turnstile({ clock: systemClock, path, timeoutMs });
  made.push(one);
  return one;
};

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "pdpm-turnstile-"));
  path = join(directory, "locks", "metadata");
});

afterEach(() => {
  for (const one of made.splice(0)) one.close();
  rmSync(directory, { recursive: true });
});

test("many are inside at once; who wants to be alone waits until the last one has left", async () => {
  const [one, two, three] = [turnstile(), turnstile(), turnstile()];
  expect(one.enter()).toBeUndefined();
  expect(one.enter()).toBeUndefined();
  expect(two.enter()).toBeUndefined();
  let isAlone = false;
  const alone = three.alone(() => {
    isAlone = true;
    return 7;
  });
  one.leave();
  two.leave();
  await sleep(systemClock, 30);
  expect(isAlone).toBe(false);
  one.leave();
  expect(await alone).toBe(7);
  expect(one.enter()).toBeUndefined();
  one.leave();
});

test("while somebody waits to be alone nobody new comes in, and then everybody does", async () => {
  const [one, two, three] = [turnstile(), turnstile(), turnstile()];
  const order: string[] = [];
  expect(one.enter()).toBeUndefined();
  const alone = three.alone(() => order.push("alone"));
  const coming = two.enter();
  expect(coming).toBeInstanceOf(Promise);
  const entered = (coming as Promise<void>).then(() => order.push("in"));
  await sleep(systemClock, 20);
  expect(order).toEqual([]);
  one.leave();
  await Promise.all([alone, entered]);
  expect(order).toEqual(["alone", "in"]);
  two.leave();
});

test("a process that is never out lets the one who waits have a turn", async () => {
  const [busy, quiet] = [turnstile(), turnstile()];
  let isOver = false;
  let inside = 0;
  let most = 0;
  const lane = async (): Promise<void> => {
    while (!isOver) {
      const waiting = busy.enter();
      if (waiting !== undefined) await waiting;
      inside += 1;
      most = Math.max(most, inside);
      await sleep(systemClock, 3);
      inside -= 1;
      busy.leave();
    }
  };
  const lanes = [0, 1, 2, 3].map(async (index) => {
    await sleep(systemClock, index);
    await lane();
  });
  await sleep(systemClock, 20);
  for (let turn = 0; turn < 3; turn += 1) await quiet.alone(() => expect(inside).toBe(0));
  isOver = true;
  await Promise.all(lanes);
  expect(most).toBeGreaterThan(1);
});

test("two who want to be alone are so one after the other, and a failure lets go", async () => {
  const [one, two] = [turnstile(), turnstile()];
  const failing = one.alone(() => {
    throw new Error("no");
  });
  await expect(failing).rejects.toThrow("no");
  expect(await Promise.all([one.alone(() => 1), two.alone(() => 2)])).toEqual([1, 2]);
  expect(two.enter()).toBeUndefined();
  two.leave();
});

test("who waits too long is told which process is alone", async () => {
  const one = turnstile(50);
  const door = FileLock.take(`${path}-door`, "exclusive");
  const refusal = { code: "PDPM_IN_USE", message: expect.stringContaining(`pid ${process.pid}`) };
  await expect(one.enter()).rejects.toMatchObject(refusal);
  await expect(one.alone(() => 1)).rejects.toMatchObject(refusal);
  door.release();
  expect(one.enter()).toBeUndefined();
  one.leave();
});

test("to be alone among people who do not leave is given up in time, and lets new ones in", async () => {
  const [one, two] = [turnstile(), turnstile(50)];
  expect(one.enter()).toBeUndefined();
  await expect(two.alone(() => 1)).rejects.toMatchObject({ code: "PDPM_IN_USE" });
  expect(two.enter()).toBeUndefined();
  two.leave();
  one.leave();
});
