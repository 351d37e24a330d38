// Who a process is, and ending one through its pidfd.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";
import { systemLibc } from "./libc.ts";
import { bootId, bootWord, endProcess, isRunning, pidNamespace, thisProcess } from "./processes.ts";

test("a process knows its boot, its namespace and its program, not its arguments", () => {
  expect(bootId()).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  expect(pidNamespace()).toMatch(/^pid:\[[0-9]+\]$/);
  expect(thisProcess()).toMatchObject({ pid: process.pid, bootId: bootId() });
  expect(thisProcess().command).not.toMatch(/[/ ]/);
});

test("each boot has a word of its own, never 0", () => {
  expect(bootWord()).toBe(bootWord(bootId()));
  expect(bootWord("another boot")).not.toBe(bootWord());
  expect(bootWord()).not.toBe(0n);
});

test("a process is killed through a pidfd, and only if it is still meant", async () => {
  const child = spawn("sleep", ["60"]);
  await once(child, "spawn");
  const pid = child.pid as number;
  const ended = once(child, "exit");
  expect(endProcess(pid, () => false)).toBe(false);
  expect(isRunning(pid)).toBe(true);
  expect(endProcess(pid)).toBe(true);
  expect(await ended).toEqual([null, "SIGKILL"]);
  expect(isRunning(pid)).toBe(false);
  expect(endProcess(pid)).toBe(false);
});

test("a pid that went to another process between look and signal is not hit", async () => {
  // The pidfd is of the process that was there when it was opened; its end is noticed by the
  // kernel.
  const child = spawn("sleep", ["60"]);
  await once(child, "spawn");
  const libc = systemLibc();
  const descriptor = libc.openProcess(child.pid as number) as number;
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
  expect(libc.killProcess(descriptor)).toBe(false);
  libc.closeProcess(descriptor);
});

test("pids that never were are not running, and init is", () => {
  expect(isRunning(2 ** 22 + 1)).toBe(false);
  expect(isRunning(1)).toBe(true);
});
