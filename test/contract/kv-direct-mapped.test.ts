// Direct keeps the store contract over a directory in memory that every client maps. (On a disk:
// kv-disk.long.test.ts. Over two memory nodes: kv-direct-mixed.long.test.ts.)

import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { kvContract } from "@pdpm/kv/contract";
import { open } from "pdpm";

kvContract("direct on a directory in /dev/shm, process", async () => {
  const directory = await mkdtemp(join("/dev/shm", "pdpm-contract-"));
  return {
    open: () => open(directory, { design: "direct", durability: "process", chunkBytes: 2 ** 22 }),
    teardown: () => rm(directory, { recursive: true }),
  };
});
