// Named locks: who excludes whom, what a refusal says, and how waiting ends.

import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock } from "@pdpm/base";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FileLock, holdersOf } from "./file-lock.ts";
import { thisProcess } from "./processes.ts";
import { writeNote } from "./system-error.ts";

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "pdpm-lock-"));
  path = join(directory, "locks", "collector");
});
afterEach(() => rmSync(directory, { recursive: true }));

test("one exclusive holder or many shared ones, and release lets the next one in", () => {
  const shared = [FileLock.take(path, "shared"), FileLock.take(path, "shared")];
  expect(FileLock.tryTake(path, "exclusive")).toBeNull();
  for (const lock of shared) lock.release();
  const exclusive = FileLock.take(path, "exclusive");
  expect(FileLock.tryTake(path, "shared")).toBeNull();
  exclusive.release();
  exclusive.release();
  FileLock.take(path, "shared").release();
  expect(existsSync(path)).toBe(true);
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test("a refused lock names the holder's pid and program, and no argument of it", () => {
  const argv = [...process.argv];
  process.argv = [argv[0] as string, "/somewhere/pdpm.js", "put", "key", "secret"];
  const lock = FileLock.take(path, "exclusive");
  expect(() => FileLock.take(path, "shared")).toThrow(
    new RegExp(`^PDPM_IN_USE: ${path} is held by pid ${process.pid} \\(pdpm.js\\)`),
  );
  process.argv = argv;
  expect(readFileSync(path, "utf8")).not.toContain("secret");
  lock.release();
});

test("holders that have ended are not named, those of another pid namespace are", () => {
  const ended = { ...thisProcess(), pid: 2 ** 22 + 1, command: "ended" };
  const elsewhere = { ...ended, command: "elsewhere", pidNamespace: "pid:[1]" };
  const lines = [thisProcess(), ended].map((facts) => JSON.stringify(facts)).join("\n");
  writeFileSync(join(directory, "notes"), `${lines}\nno json\n{"pid":"3"}\n`);
  expect(holdersOf(join(directory, "notes"))).toEqual([thisProcess()]);
  writeFileSync(join(directory, "notes"), JSON.stringify(elsewhere));
  expect(holdersOf(join(directory, "notes"))).toEqual([elsewhere]);
});

test("the file does not grow with every shared holder that ever was", () => {
  FileLock.take(path, "exclusive").release();
  for (let i = 0; i < 1500; i += 1) FileLock.take(path, "shared").release();
  expect(statSync(path).size).toBeLessThan(70_000);
  FileLock.take(path, "exclusive").release();
  expect(readFileSync(path, "utf8").split("\n").length).toBe(2);
});

test("waiting takes the lock when it falls, and gives up in time naming the holder", async () => {
  let now = 0;
  let atPause = (): void => undefined;
  const clock: Clock = {
    now: () => now,
    after: (ms, then) => {
      now += ms;
      atPause();
      then();
      return () => undefined;
    },
  };
  const held = FileLock.take(path, "exclusive");
  await expect(FileLock.wait(clock, path, "shared", 1000)).rejects.toMatchObject({
    code: "PDPM_IN_USE",
  });
  expect(now).toBeGreaterThanOrEqual(1000);
  expect(now).toBeLessThan(1100);
  atPause = () => held.release();
  (await FileLock.wait(clock, path, "shared", 1000)).release();
  expect(now).toBeLessThan(1200);
});

test("a lock file that cannot be made is an error of ours", () => {
  writeFileSync(join(directory, "locks"), "a file where the folder should be");
  expect(() => FileLock.take(path, "shared")).toThrow(/^PDPM_UNAVAILABLE: cannot open the lock/);
});

test("a full disk does not keep a lock from being taken", () => {
  // /dev/full refuses every write with ENOSPC.
  const descriptor = FileLock.take("/dev/full", "shared");
  descriptor.release();
  expect(() => writeNote(9999, "x")).toThrow(/^PDPM_UNAVAILABLE: .*EBADF/);
});
