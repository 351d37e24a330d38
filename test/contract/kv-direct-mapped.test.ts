// Direct keeps the store contract over a directory that every client maps: on a disk, with the
// promise of surviving a power failure, and in memory, with the promise of surviving any process.
// And over the files of two memory nodes that its clients map.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { kvContract } from "@pdpm/kv/contract";
import { MemoryNode } from "@pdpm/memory-node";
import { connect, type Durability, open } from "pdpm";

for (const [parent, durability] of [
  [tmpdir(), "power"],
  ["/dev/shm", "process"],
] as const satisfies readonly (readonly [string, Durability])[]) {
  kvContract(`direct on a directory in ${parent}, ${durability}`, async () => {
    const directory = await mkdtemp(join(parent, "pdpm-contract-"));
    return {
      open: () => open(directory, { design: "direct", durability, chunkBytes: 2 ** 22 }),
      teardown: () => rm(directory, { recursive: true }),
    };
  });
}

kvContract("direct on two memory nodes, mapped", async () => {
  const directory = await mkdtemp(join("/dev/shm", "pdpm-contract-"));
  const nodes = await Promise.all(
    ["one", "two"].map((folder) => MemoryNode.start({ dir: join(directory, folder) })),
  );
  const url = `pdpm://${nodes.map((node) => new URL(node.url).host).join(",")}?design=direct`;
  return {
    open: () => connect(url, { transport: "mapped", chunkBytes: 2 ** 22 }),
    teardown: async () => {
      await Promise.all(nodes.map((node) => node.close()));
      await rm(directory, { recursive: true });
    },
  };
});
