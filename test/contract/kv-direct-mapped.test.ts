// Direct keeps the store contract over a directory in memory that every client maps, and over the
// files of two memory nodes that its clients map. (On a disk: kv-disk.long.test.ts.)

import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { kvContract } from "@pdpm/kv/contract";
import { connect, open } from "pdpm";
import { directNodes } from "../support/direct-nodes.ts";

kvContract("direct on a directory in /dev/shm, process", async () => {
  const directory = await mkdtemp(join("/dev/shm", "pdpm-contract-"));
  return {
    open: () => open(directory, { design: "direct", durability: "process", chunkBytes: 2 ** 22 }),
    teardown: () => rm(directory, { recursive: true }),
  };
});

kvContract("direct on two memory nodes, mapped", async () => {
  const { url, teardown } = await directNodes();
  return { open: () => connect(url, { transport: "mapped", chunkBytes: 2 ** 22 }), teardown };
});
