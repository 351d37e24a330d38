// Clover keeps the store contract embedded: over a mapped region file and the LMDB beside it. (On a
// disk: kv-disk.long.test.ts.)

import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { kvContract } from "@pdpm/kv/contract";
import { open } from "pdpm";

/** An insert costs a transaction: a busy machine makes two thousand at once slow, not wrong. */
const timeoutMs = 20_000;
const chunkBytes = 2 ** 22;

kvContract("clover on a directory in /dev/shm, process", async () => {
  const directory = await mkdtemp(join("/dev/shm", "pdpm-contract-"));
  return {
    open: () => open(directory, { design: "clover", durability: "process", chunkBytes, timeoutMs }),
    teardown: () => rm(directory, { recursive: true }),
  };
});
