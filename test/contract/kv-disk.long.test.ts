// Direct and Clover keep the store contract embedded on a disk, with the promise of surviving a
// power failure. (In memory: kv-direct-mapped.test.ts, kv-clover-mapped.test.ts.)

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { kvContract } from "@pdpm/kv/contract";
import { open } from "pdpm";

/** An insert waits for flushes: a busy disk makes two thousand at once slow, not wrong. */
const timeoutMs = 20_000;
const chunkBytes = 2 ** 22;

for (const design of ["direct", "clover"] as const) {
  kvContract(`${design} on a directory in ${tmpdir()}, power`, async () => {
    const directory = await mkdtemp(join(tmpdir(), "pdpm-contract-"));
    return {
      open: () => open(directory, { design, durability: "power", chunkBytes, timeoutMs }),
      teardown: () => rm(directory, { recursive: true }),
    };
  });
}
