// The file of fenced ids: what it keeps, what it drops, where it ends.

import { readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { FencedIds, fencedFileName } from "./fenced-ids.ts";

let dir: string;
let path: string;
beforeEach(async () => {
  dir = await mkdtemp("/dev/shm/pdpm-fenced-");
  path = join(dir, fencedFileName);
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(dir, { recursive: true });
});

const all = (): boolean => true;

async function reopened(isNeeded: (id: number) => boolean = all): Promise<number[]> {
  const fenced = await FencedIds.open(dir, isNeeded);
  const found = Array.from({ length: 100 }, (_, id) => id).filter((id) => fenced.has(id));
  expect(fenced.count).toBe(found.length);
  await fenced.close();
  return found;
}

test("ids are there again after the file was opened anew, each once", async () => {
  const fenced = await FencedIds.open(dir, all);
  await Promise.all([7, 5, 7, 9].map((id) => fenced.add(id)));
  await fenced.add(5);
  await fenced.close();
  expect(readFileSync(path, "utf8").match(/\d+/g)).toEqual(["7", "5", "9"]);
  expect(await reopened()).toEqual([5, 7, 9]);
});

test("an id is in the file before it is said to be", async () => {
  const fenced = await FencedIds.open(dir, all);
  const added = fenced.add(7);
  expect(fenced.has(7)).toBe(false);
  await added;
  expect(fenced.has(7)).toBe(true);
  expect(readFileSync(path, "utf8")).toMatch(/^7$/m);
  await fenced.close();
});

test("ids that nobody needs any more are dropped when the file is opened", async () => {
  writeFileSync(path, "5\n7\n9\n");
  expect(await reopened((id) => id > 6)).toEqual([7, 9]);
  expect(await reopened()).toEqual([7, 9]);
});

test("a line that was cut off does not count", async () => {
  writeFileSync(path, "5\n1");
  expect(await reopened()).toEqual([5]);
});

/** Lets the next sync fail, after the bytes were written. */
async function failNextSync(code: string): Promise<void> {
  const handle = await open(path, "r");
  const error = Object.assign(new Error(`${code}: for the test`), { code });
  vi.spyOn(Object.getPrototypeOf(handle), "datasync").mockRejectedValueOnce(error);
  await handle.close();
}

test("an id that found no space is not in the file, and may be added later", async () => {
  const fenced = await FencedIds.open(dir, all);
  await fenced.add(5);
  await failNextSync("ENOSPC");
  await expect(fenced.add(77)).rejects.toMatchObject({ code: "PDPM_NO_SPACE" });
  expect(fenced.has(77)).toBe(false);
  expect(readFileSync(path, "utf8")).toBe("5\n");
  await fenced.add(9);
  await fenced.add(77);
  await fenced.close();
  expect(await reopened()).toEqual([5, 9, 77]);
});

test("after a sync that failed nothing is believed to be durable any more", async () => {
  const fenced = await FencedIds.open(dir, all);
  await failNextSync("EIO");
  await expect(fenced.add(7)).rejects.toMatchObject({ code: "PDPM_UNAVAILABLE" });
  await expect(fenced.add(7)).rejects.toMatchObject({ code: "PDPM_UNAVAILABLE" });
  expect(fenced.count).toBe(0);
  await fenced.close();
});

test("anything but ids is PDPM_CORRUPT", async () => {
  for (const text of ["x\n", "-1\n", "0\n", "1.5\n", "5\n 7\n", "99999999999999999999\n", "\0\n"]) {
    writeFileSync(path, text);
    await expect(FencedIds.open(dir, all), text).rejects.toMatchObject({ code: "PDPM_CORRUPT" });
  }
});

test("one id more than the file may hold is PDPM_NO_SPACE", async () => {
  const fenced = await FencedIds.open(dir, all, 2);
  await fenced.add(1);
  await fenced.add(2);
  await expect(fenced.add(3)).rejects.toMatchObject({ code: "PDPM_NO_SPACE" });
  await fenced.add(2);
  await fenced.close();
  expect(await reopened()).toEqual([1, 2]);
});

test("a directory that is not there is PDPM_UNAVAILABLE", async () => {
  const place = join(dir, "nowhere");
  await expect(FencedIds.open(place, all)).rejects.toMatchObject({ code: "PDPM_UNAVAILABLE" });
});
