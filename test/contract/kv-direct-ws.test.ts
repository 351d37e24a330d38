// Direct keeps the store contract over two memory nodes: with clients over ws, and with one client
// over ws and the next one mapping the nodes' files. (Both nodes mapped: kv-direct-mapped.test.ts.)

import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { kvContract } from "@pdpm/kv/contract";
import { MemoryNode } from "@pdpm/memory-node";
import { connect, type Transport } from "pdpm";

const subjects: readonly (readonly [string, readonly Transport[]])[] = [
  ["over ws", ["ws"]],
  ["over ws and mapped in turn", ["ws", "mapped"]],
];

for (const [name, transports] of subjects) {
  kvContract(`direct on two memory nodes, ${name}`, async () => {
    const directory = await mkdtemp(join("/dev/shm", "pdpm-contract-"));
    const nodes = await Promise.all(
      ["one", "two"].map((folder) => MemoryNode.start({ dir: join(directory, folder) })),
    );
    const hosts = nodes.map((node) => new URL(node.url).host);
    let opened = 0;
    return {
      open: () => {
        const transport = transports[opened % transports.length] as Transport;
        opened += 1;
        const url = `pdpm://${hosts.join(",")}?design=direct`;
        return connect(url, { transport, chunkBytes: 2 ** 22 });
      },
      teardown: async () => {
        await Promise.all(nodes.map((node) => node.close()));
        await rm(directory, { recursive: true });
      },
    };
  });
}
