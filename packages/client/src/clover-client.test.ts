// A client whose id is given up, or who leaves, posts nothing under that id any more, whatever of
// it still runs: the others reclaim what it held (H6).

import { Prng, systemClock } from "@pdpm/base";
import { toKey } from "@pdpm/kv";
import { LeaseKind, numberWord } from "@pdpm/layout";
import { headerWordOffset, regionHeaderBytes, type StoreLabel } from "@pdpm/layout/region-header";
import { MemoryStore, MetadataService } from "@pdpm/metadata-server";
import type { MetadataRequest } from "@pdpm/metadata-server/protocol";
import { ArrayMemory, CounterTable, type Replies, type Round, Verb } from "@pdpm/verbs";
import { ArrayFabric } from "@pdpm/verbs/array-fabric";
import { expect, test } from "vitest";
import { CloverClient } from "./clover-client.ts";
import type { Identity, Membership } from "./membership.ts";

const chunkBytes = 2 ** 18;
const label: StoreLabel = {
  design: "clover",
  durability: "power",
  nodeId: 0,
  nodeCount: 1,
  chunkBytes,
  chunksMost: 9,
};

/** A memory node whose flushes may take as long as one likes. */
class SlowNode extends ArrayFabric {
  /** Rounds that have arrived. */
  rounds = 0;
  #held: Promise<void> | undefined;

  /** Flushes from now on end when the returned function is called. */
  hold(): () => void {
    let release = (): void => {};
    this.#held = new Promise((resolve) => {
      release = resolve;
    });
    return release;
  }

  override post(round: Round): Replies | Promise<Replies> {
    this.rounds += 1;
    const replies = super.post(round);
    const held = round.some(({ verb }) => verb === Verb.flush) ? this.#held : undefined;
    return held === undefined ? replies : held.then(() => replies);
  }
}

/** A store with one client; `left` hears of each id that is given up, with the rounds until then. */
async function opened() {
  const sizeBytes = regionHeaderBytes + label.chunksMost * chunkBytes;
  const node = new SlowNode(new ArrayMemory(sizeBytes, regionHeaderBytes + chunkBytes));
  const mark = new Uint8Array(new BigUint64Array([numberWord(0)]).buffer);
  node.memory.write(headerWordOffset.commitHighWater, mark);
  const service = new MetadataService({
    store: new MemoryStore(),
    clock: systemClock,
    prng: new Prng("service"),
    label,
    regionHeaderBytes,
  });
  const left: { id: number; rounds: number }[] = [];
  let ids = 0;
  const enter = async (): Promise<Identity> => {
    ids += 1;
    const clientId = ids;
    const leave = async () => void left.push({ id: clientId, rounds: node.rounds });
    return { clientId, kind: LeaseKind.file, leave };
  };
  const membership: Membership = {
    needsLease: false,
    enter,
    judge: async () => ({ alive: true, who: "somebody" }),
    fence: async () => {},
    buried: () => {},
    suspects: () => [],
  };
  const client = await CloverClient.open({
    clock: systemClock,
    label,
    nodes: [node],
    metadata: (request) => service.handle(request as MetadataRequest),
    membership,
    looks: false,
    cursors: 100,
    eviction: undefined,
    timeoutMs: 5000,
    counters: new CounterTable(),
    end: async () => {},
  });
  const put = (name: string, value: string) =>
    client.backend.put(toKey(name), Buffer.from(value), undefined, { timeoutMs: 5000 });
  return { client, node, left, put };
}

const turn = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

test("what still runs when the client has left posts nothing any more", async () => {
  const { client, node, left, put } = await opened();
  await put("key", "first");
  const release = node.hold();
  const late = Promise.resolve(put("key", "late"));
  const ended = expect(late).rejects.toMatchObject({ code: "PDPM_CLOSED" });
  await client.backend.close(30);
  const [leaving] = left;
  expect(leaving?.id).toBe(1);
  release();
  await ended;
  await turn(20);
  expect(node.rounds).toBe(leaving?.rounds);
});

test("what still runs under an id that was given up posts nothing any more", async () => {
  const { client, node, left, put } = await opened();
  await put("key", "first");
  const release = node.hold();
  const late = Promise.resolve(put("key", "late"));
  const ended = expect(late).rejects.toMatchObject({ code: "PDPM_FENCED" });
  client.fenced();
  while (left.length === 0) await turn(5);
  expect(left[0]?.id).toBe(1);
  const { rounds } = node;
  release();
  await ended;
  expect(node.rounds).toBe(rounds);
  // Under its new id it goes on, with nothing in hand.
  await put("key", "second");
  const found = await client.backend.get(toKey("key"), {});
  expect(Buffer.from(found?.value ?? []).toString()).toBe("second");
  await client.backend.close(2000);
});
