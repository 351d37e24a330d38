// Windows onto a file: mapped when needed, at their place, with their advice.

import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Libc, systemLibc } from "./libc.ts";
import { Windows, windowBytesMost } from "./windows.ts";

let directory: string;
let descriptor: number;
beforeEach(() => {
  directory = mkdtempSync("/dev/shm/pdpm-windows-");
  descriptor = openSync(join(directory, "file"), "w+");
  ftruncateSync(descriptor, 4 * 4096);
});
afterEach(() => {
  closeSync(descriptor);
  rmSync(directory, { recursive: true });
});

test("each window is mapped once, when it is needed, at its place in the file", () => {
  const windows = new Windows(systemLibc(), descriptor, 4096);
  const whole = new Windows(systemLibc(), descriptor, 16384);
  windows.get(2).bytes[7] = 9;
  expect(windows.get(2)).toBe(windows.get(2));
  expect(whole.get(0).bytes[2 * 4096 + 7]).toBe(9);
  expect(windows.synchronous).toBe(false);
  windows.unmap();
  whole.unmap();
});

test("a window may reach beyond the end of the file, into which the file may grow", () => {
  const windows = new Windows(systemLibc(), descriptor);
  const { bytes } = windows.get(0);
  expect(bytes.length).toBe(windowBytesMost);
  ftruncateSync(descriptor, 2 ** 20);
  bytes[2 ** 20 - 1] = 3;
  expect(bytes[2 ** 20 - 1]).toBe(3);
  windows.unmap();
});

test("a window that is too large for V8, odd, or asked for after unmapping is our bug", () => {
  for (const bytes of [2 ** 31, 2 ** 32, 2048, 4096 * 3]) {
    expect(() => new Windows(systemLibc(), descriptor, bytes), String(bytes)).toThrow(/window of/);
  }
  const windows = new Windows(systemLibc(), descriptor, 4096);
  windows.get(1);
  windows.unmap();
  expect(() => windows.get(1)).toThrow(/closed region/);
});

test("the kernel is told to read no neighbours before the first touch of a window", () => {
  // Else a flush of 32 pages writes 50 MiB, as the page cache builds large folios.
  const calls: string[] = [];
  const libc = new Proxy(systemLibc(), {
    get: (target, name) => {
      calls.push(String(name));
      return (target[name as keyof Libc] as () => unknown).bind(target);
    },
  });
  const windows = new Windows(libc, descriptor, 4096);
  windows.get(0);
  windows.get(1);
  windows.unmap();
  const once = ["map", "map", "adviseRandom", "view"];
  expect(calls).toEqual([...once, ...once, "unmap", "unmap"]);
});
