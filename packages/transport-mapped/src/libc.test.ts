// The C library's calls, each against the real kernel.

import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { errno, loadKoffi, systemLibc } from "./libc.ts";

let directory: string;
let descriptor: number;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "pdpm-libc-"));
  descriptor = openSync(join(directory, "file"), "w+");
});
afterEach(() => {
  closeSync(descriptor);
  rmSync(directory, { recursive: true });
});

test("a platform that is not Linux gets one clear error and loads nothing", () => {
  for (const platform of ["darwin", "win32"]) {
    expect(() => loadKoffi(platform)).toThrow(
      expect.objectContaining({
        code: "PDPM_UNSUPPORTED",
        message: expect.stringMatching(platform),
      }),
    );
  }
});

test("two maps of one file show each other's bytes", () => {
  const libc = systemLibc();
  ftruncateSync(descriptor, 8192);
  const places = [0, 4096].map((offset) => libc.map(descriptor, 4096 - offset, 4096, false));
  const whole = libc.map(descriptor, 0, 8192, false) as number;
  const bytes = new Uint8Array(libc.view(whole, 8192));
  for (const [index, place] of places.entries()) {
    libc.adviseRandom(place as number, 4096);
    new Uint8Array(libc.view(place as number, 4096))[5] = 40 + index;
  }
  expect([bytes[4096 + 5], bytes[5]]).toEqual([40, 41]);
  for (const place of places) libc.unmap(place as number, 4096);
  libc.unmap(whole, 8192);
});

test("a refused mmap is an error of ours, and a refused MAP_SYNC is null", () => {
  const libc = systemLibc();
  ftruncateSync(descriptor, 4096);
  // No DAX file system here: were there one, the next line would have to give an address.
  expect(libc.map(descriptor, 0, 4096, true)).toBeNull();
  expect(() => libc.map(descriptor, 1, 4096, false)).toThrow(/PDPM_UNAVAILABLE: mmap.*EINVAL/);
  expect(() => libc.map(9999, 0, 4096, false)).toThrow(/EBADF/);
});

test("a failed msync reports the kernel's own error number, off this thread", async () => {
  const failure = await systemLibc().sync(4096, 4096);
  expect(failure).toEqual({ errno: 12, text: "msync of 4096 bytes failed with ENOMEM" });
});

test("reserving space lengthens the file, and more than there is fails with ENOSPC", async () => {
  const libc = systemLibc();
  expect(await libc.allocate(descriptor, 0, 16384)).toBeNull();
  const memory = openSync(join("/dev/shm", `pdpm-libc-${process.pid}`), "w+");
  rmSync(join("/dev/shm", `pdpm-libc-${process.pid}`));
  expect((await libc.allocate(memory, 0, 2 ** 46))?.errno).toBe(errno.ENOSPC);
  closeSync(memory);
  expect((await libc.syncFile(9999))?.text).toMatch(/EBADF/);
});

test("a lock excludes another opening of the file in the same process", () => {
  const libc = systemLibc();
  const other = openSync(join(directory, "file"), "r+");
  expect(libc.tryLock(descriptor, "shared")).toBe(true);
  expect(libc.tryLock(other, "shared")).toBe(true);
  expect(libc.tryLock(other, "exclusive")).toBe(false);
  closeSync(other);
  expect(libc.tryLock(descriptor, "exclusive")).toBe(true);
  expect(() => libc.tryLock(9999, "shared")).toThrow(/flock.*EBADF/);
});
