// Two memory nodes of this process, in memory, for stores of Direct.

import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { MemoryNode } from "@pdpm/memory-node";

/** Starts them: the URL of their store, and what ends them and removes their files. */
export async function directNodes(): Promise<{ url: string; teardown: () => Promise<void> }> {
  const directory = await mkdtemp(join("/dev/shm", "pdpm-contract-"));
  const nodes = await Promise.all(
    ["one", "two"].map((folder) => MemoryNode.start({ dir: join(directory, folder) })),
  );
  const hosts = nodes.map((node) => new URL(node.url).host);
  return {
    url: `pdpm://${hosts.join(",")}?design=direct`,
    teardown: async () => {
      await Promise.all(nodes.map((node) => node.close()));
      await rm(directory, { recursive: true });
    },
  };
}
