// Central keeps the store contract over memory in this process, with the real metadata service over
// a store in memory: every reply ready at once, as mapped memory has it, and every reply a turn of
// the event loop later, as a network has it. At the end every cell is live or free.

import { Prng, systemClock } from "@pdpm/base";
import { CentralBackend, CentralHost } from "@pdpm/central";
import { Store } from "@pdpm/kv";
import { kvContract } from "@pdpm/kv/contract";
import { regionHeaderBytes } from "@pdpm/layout/region-header";
import { MemoryStore, MetadataService } from "@pdpm/metadata-server";
import type { ChunkSpace, KeyAndHead, MetadataRequest } from "@pdpm/metadata-server/protocol";
import { ArrayMemory, type CallHandler, CounterTable, type NodeFabric } from "@pdpm/verbs";
import { ArrayFabric } from "@pdpm/verbs/array-fabric";
import { expect } from "vitest";
import { bytesCodec } from "../../packages/client/src/codecs.ts";

/** Generous: a loaded machine does not fail what only takes long. */
const timeoutMs = 20_000;
const chunkBytes = 2 ** 22;
const chunksMost = 60;
const label = { chunkBytes, chunksMost, nodeCount: 2, durability: "power" } as const;

/** The same memory, a turn later. */
function late(node: ArrayFabric): NodeFabric {
  return {
    post: (round) => new Promise((resolve) => setImmediate(() => resolve(node.post(round)))),
    extend: (sizeBytes) => node.extend(sizeBytes),
    close: () => node.close(),
  };
}

async function countKeys(service: MetadataService): Promise<number> {
  let count = 0;
  let after: Uint8Array | null = null;
  for (;;) {
    const page: readonly KeyAndHead[] = await service.handle({
      ask: "keys",
      prefix: new Uint8Array(0),
      after,
      limit: 1000,
    });
    count += page.length;
    const last = page.at(-1);
    if (last === undefined) return count;
    after = last.key;
  }
}

for (const isLate of [false, true]) {
  kvContract(`central on array memory, ${isLate ? "late" : "at once"}`, async () => {
    const prng = new Prng("contract");
    const service = new MetadataService({
      store: new MemoryStore(),
      clock: systemClock,
      prng: prng.fork("service"),
      label,
      regionHeaderBytes,
    });
    const metadata: CallHandler = (request) => service.handle(request as MetadataRequest);
    const arrays = [0, 1].map(
      () =>
        new ArrayFabric(
          new ArrayMemory(regionHeaderBytes + (1 + chunksMost / 2) * chunkBytes, 4096 + chunkBytes),
        ),
    );
    const host = await CentralHost.start({
      clock: systemClock,
      prng: prng.fork("host"),
      label,
      nodes: isLate ? arrays.map(late) : arrays,
      metadata,
      clientId: 1,
      entering: { pid: process.pid, kind: "file" },
      judge: async () => ({ alive: true, who: "this test" }),
      buried: () => {},
      deposed: () => {},
      timeoutMs: 5000,
      counters: new CounterTable(),
    });
    let last = 1;
    return {
      open: async () => {
        last += 1;
        const parts = {
          clock: systemClock,
          prng: prng.fork(`client ${last}`),
          coordinator: host.handle,
          clientId: last,
          counters: new CounterTable(),
          leave: async () => {},
        };
        return new Store(await CentralBackend.open(parts, 5000), bytesCodec, { timeoutMs });
      },
      teardown: async () => {
        await host.close(5000);
        expect(host.housekeeping.lastFailure).toBeUndefined();
        const space = (await service.handle({ ask: "space" })) as readonly ChunkSpace[];
        const sum = (of: (chunk: ChunkSpace) => number): number =>
          space.reduce((total, chunk) => total + of(chunk), 0);
        expect(sum(({ leased }) => leased)).toBe(0);
        expect(sum(({ taken }) => taken)).toBe(await countKeys(service));
        expect(await service.handle({ ask: "clients" })).toEqual([]);
      },
    };
  });
}
