// Direct keeps the store contract over memory in this process: every reply ready at once, as mapped
// memory has it, and every reply a turn of the event loop later, as a network has it.

import { PdpmError, systemClock } from "@pdpm/base";
import { Store } from "@pdpm/kv";
import { kvContract } from "@pdpm/kv/contract";
import { LeaseKind } from "@pdpm/layout";
import { regionHeaderBytes } from "@pdpm/layout/region-header";
import { ArrayMemory, CounterTable, type NodeFabric } from "@pdpm/verbs";
import { ArrayFabric } from "@pdpm/verbs/array-fabric";
import { bytesCodec } from "../../packages/client/src/codecs.ts";
import { DirectClient } from "../../packages/client/src/direct-client.ts";
import type { Membership } from "../../packages/client/src/membership.ts";

const chunkBytes = 2 ** 22;
const chunksMost = 60;

/** Clients of one process: each lives until it leaves. */
class LocalMembership implements Membership {
  readonly needsLease = false;
  readonly #alive = new Set<number>();
  #last = 0;

  async enter() {
    this.#last += 1;
    const clientId = this.#last;
    this.#alive.add(clientId);
    const leave = async (): Promise<void> => void this.#alive.delete(clientId);
    return { clientId, kind: LeaseKind.file, leave };
  }

  async judge(id: number) {
    return { alive: this.#alive.has(id), who: "a client of this test" };
  }

  async fence(): Promise<void> {}
  buried(): void {}
  suspects(): readonly number[] {
    return [];
  }
}

/** The same memory, a turn later. */
function late(node: ArrayFabric): NodeFabric {
  return {
    post: (round) => new Promise((resolve) => setImmediate(() => resolve(node.post(round)))),
    extend: (sizeBytes) => node.extend(sizeBytes),
    close: () => node.close(),
  };
}

for (const isLate of [false, true]) {
  kvContract(`direct on array memory, ${isLate ? "late" : "at once"}`, async () => {
    const memory = new ArrayMemory(
      regionHeaderBytes + chunksMost * chunkBytes,
      regionHeaderBytes + chunkBytes,
    );
    const array = new ArrayFabric(memory);
    const membership = new LocalMembership();
    const label = {
      design: "direct",
      durability: "power",
      nodeId: 0,
      nodeCount: 1,
      chunkBytes,
      chunksMost,
    } as const;
    return {
      open: async () => {
        const client = await DirectClient.open({
          clock: systemClock,
          label,
          nodes: [isLate ? late(array) : array],
          membership,
          cursors: 1000,
          timeoutMs: 5000,
          counters: new CounterTable(),
          end: async () => {},
        });
        return new Store(client.backend, bytesCodec);
      },
      teardown: async () => {
        const words = new BigUint64Array(1);
        memory.read(0, new Uint8Array(words.buffer));
        // The header is no affair of a backend.
        if (words[0] !== 0n) throw new PdpmError("PDPM_CORRUPT", "a verb reached the header");
      },
    };
  });
}
