// Which file systems carry a store.

import { expect, test } from "vitest";
import { isInMemory, refuseRemote } from "./local-file-system.ts";

const local = { ext4: 0xef53, xfs: 0x58465342, btrfs: 0x9123683e, tmpfs: 0x01021994 };
// CIFS also as the negative number that a 32-bit f_type shows.
const remote = { NFS: 0x6969, CIFS: 0xff534d42, "9p": 0x01021997, FUSE: 0x65735546 };

test("network file systems are refused with a name and an advice", () => {
  for (const [name, type] of Object.entries(remote)) {
    for (const seen of [type, type | 0]) {
      expect(() => refuseRemote("/mnt/data", () => seen), name).toThrow(
        new RegExp(`^PDPM_UNSUPPORTED: /mnt/data is on ${name}, .*use a directory on a local disk`),
      );
    }
  }
});

test("local file systems are taken, and only those in memory need no flush", () => {
  for (const [name, type] of Object.entries(local)) {
    expect(() => refuseRemote("/mnt/data", () => type), name).not.toThrow();
    expect(
      isInMemory("/mnt/data", () => type),
      name,
    ).toBe(name === "tmpfs");
  }
  expect(isInMemory("/dev/shm")).toBe(true);
  expect(() => refuseRemote("/dev/shm")).not.toThrow();
});
