// The ws fabric keeps the fabric contract: real sockets on loopback, to a memory node over a real
// file (its flushes wait for msync) and over memory.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MemoryNode } from "@pdpm/memory-node";
import { WsNode } from "@pdpm/transport-ws";
import { type FabricUnderTest, fabricContract } from "@pdpm/verbs/contract";

const first = 4096;
const end = 8 * 2 ** 20;
const endMost = end + 2 ** 20;

async function served(parent: string, host: string): Promise<FabricUnderTest> {
  const dir = await mkdtemp(join(parent, "pdpm-contract-"));
  const node = await MemoryNode.start({ dir, host, initialBytes: end, maxBytes: endMost });
  const connect = async (): Promise<WsNode> => {
    const fabric = await WsNode.connect({ url: node.url });
    await fabric.admit();
    return fabric;
  };
  return {
    fabric: await connect(),
    first,
    end,
    endMost,
    another: connect,
    dispose: async () => {
      await node.close();
      await rm(dir, { recursive: true });
    },
  };
}

fabricContract("a memory node's file over ws", () => served(tmpdir(), "127.0.0.1"));
fabricContract("a memory node's memory over ws", () => served("/dev/shm", "localhost"));
