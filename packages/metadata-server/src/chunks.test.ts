// The life of a chunk, and who must be gone before the next step.

import { headerChunk } from "@pdpm/layout";
import { expect, test } from "vitest";
import {
  bits,
  buffer,
  type Caller,
  enter,
  key,
  otherClass,
  regionHeaderBytes,
  scene,
  sceneLabel,
  sceneService,
  sizeClass,
} from "./contract-scene.ts";
import { MemoryStore } from "./memory-store.ts";
import { endOf } from "./record.ts";
import { queuePrefix, spansPrefix, tableRecord } from "./records.ts";
import type { TransactionalStore } from "./store.ts";
import { Transaction } from "./transaction.ts";

const withdraw = { do: "withdraw", chunk: 1 } as const;
const restore = { do: "restore", chunk: 1 } as const;
const retire = { do: "retire", chunk: 1 } as const;
const recut = { do: "recut", chunk: 1, sizeClass: otherClass } as const;
const lease = { do: "lease", sizeClass, buffers: 60 } as const;

async function acknowledgeAll(...callers: Caller[]): Promise<void> {
  for (const caller of callers) {
    const { generation } = await caller.ask({ ask: "table" });
    await caller.do({ do: "acknowledge", generation });
  }
}

test("a store grows on the node that has the fewest chunks, until it is full", async () => {
  const one = await enter(sceneService(new MemoryStore()), 1);
  const chunks = [];
  for (let count = 1; ; count += 1) {
    const reply = await one.do(lease);
    if (typeof reply === "string") {
      expect(reply).toBe("full");
      break;
    }
    if (!("grow" in reply)) throw new Error("there is space");
    const { node, place, sizeBytes } = reply.grow;
    expect(sizeBytes).toBe(regionHeaderBytes + (place + 1) * sceneLabel.chunkBytes);
    expect(await one.do({ do: "addChunk", node, place, sizeClass })).toEqual({ chunk: count });
    expect(await one.do({ do: "addChunk", node, place, sizeClass })).toBe("taken");
    chunks.push(`${node}/${place}`);
    await one.do(lease);
  }
  // The root chunk has node 0's place 0, and counts.
  expect(chunks).toEqual(["1/0", "0/1", "1/1", "0/2"]);
  const table = await one.ask({ ask: "table" });
  expect(table.chunks.map(({ chunk, node, place }) => [chunk, node, place])).toEqual([
    [1, 1, 0],
    [2, 0, 1],
    [3, 1, 1],
    [4, 0, 2],
  ]);
  const more = one.do({ do: "addChunk", node: 1, place: 2, sizeClass });
  await expect(more).rejects.toMatchObject({ code: "PDPM_NO_SPACE" });
});

test("a chunk that cannot be is refused", async () => {
  const { one } = await scene();
  const refused = [
    { node: 2, place: 0, sizeClass },
    { node: 1, place: 2, sizeClass },
  ];
  for (const cut of refused) {
    await expect(one.do({ do: "addChunk", ...cut })).rejects.toThrow("PDPM_INVALID_ARGUMENT");
  }
  const label = { ...sceneLabel, chunkBytes: 4096 };
  const small = await enter(sceneService(new MemoryStore(), { label }), 1);
  const tooLarge = small.do({ do: "addChunk", node: 0, place: 1, sizeClass: 50 });
  await expect(tooLarge).rejects.toThrow("PDPM_INVALID_ARGUMENT");
  expect(await one.do({ do: "addChunk", node: 0, place: 0, sizeClass })).toBe("taken");
});

test("two that add a chunk at once get one chunk", async () => {
  const { one, two, before } = await scene();
  const add = { do: "addChunk", node: 0, place: 1, sizeClass } as const;
  let other: unknown;
  before(async () => {
    other = await two.do(add);
  });
  expect(await one.do(add)).toBe("taken");
  expect(other).toEqual({ chunk: 2 });
});

test("chunk numbers end before the one that names the headers", async () => {
  const { store, one } = await scene();
  const change = new Transaction(store);
  const table = await change.require(tableRecord);
  change.put(tableRecord, { ...table, nextChunk: headerChunk - 1 });
  await change.commit();
  const last = await one.do({ do: "addChunk", node: 0, place: 1, sizeClass });
  expect(last).toEqual({ chunk: headerChunk - 1 });
  const none = one.do({ do: "addChunk", node: 1, place: 1, sizeClass });
  await expect(none).rejects.toThrow("PDPM_NO_SPACE: the store's chunk numbers are used up");
  expect(await one.do({ ...lease, sizeClass: otherClass })).toBe("full");
  await one.do(withdraw);
  await one.do(retire);
  const { generation } = await one.ask({ ask: "table" });
  for (const client of [1, 2]) {
    const ticket = { client, slot: 5, sequence: 1 };
    await one.service.handle({ ticket, change: { do: "acknowledge", generation } });
  }
  await expect(one.do(recut)).rejects.toThrow("PDPM_NO_SPACE");
});

test("nothing of a withdrawn chunk is leased, until it is restored", async () => {
  const { one, two, before } = await scene();
  expect(await one.do(restore)).toBe("no");
  expect(await one.do(withdraw)).toBe("done");
  expect(await one.do(withdraw)).toBe("no");
  expect(await one.do(lease)).toHaveProperty("grow");
  expect(await one.do(restore)).toBe("done");
  // It is withdrawn while a lease is on its way.
  before(() => two.do(withdraw));
  expect(await one.do(lease)).toHaveProperty("grow");
  await two.do(restore);
  expect(await one.lease(60)).toHaveLength(5);
});

test("a chunk is retired when nothing of it is leased or taken", async () => {
  const { one } = await scene();
  await one.lease(1);
  await one.do({ do: "create", key: key("k"), pointer: buffer(1, 0), commitNumber: 1 });
  expect(await one.do(retire)).toBe("no");
  await one.do(withdraw);
  expect(await one.do(retire)).toBe("busy");
  const spans = [{ chunk: 1, span: 0, bitmap: bits(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11) }];
  await one.do({ do: "giveBack", spans });
  expect(await one.do(retire)).toBe("full");
  expect(await one.ask({ ask: "taken", chunk: 1 })).toEqual([
    { chunk: 1, span: 0, bitmap: bits(0) },
  ]);
  const head = buffer(1, 0);
  await one.do({ do: "forget", key: key("k"), head, commitNumber: 1, freed: [head] });
  const { generation } = await one.ask({ ask: "table" });
  expect(await one.do(retire)).toEqual({ generation: generation + 1 });
  expect(await one.do(retire)).toBe("no");
  expect(await one.do(restore)).toBe("no");
  expect(await one.do(lease)).toHaveProperty("grow");
});

test("space is measured while a place is cut anew", async () => {
  const { store, one, two } = await scene();
  await one.do(withdraw);
  await one.do(retire);
  await acknowledgeAll(one, two);
  let isCut = false;
  const slow: TransactionalStore = {
    get: (name) => store.get(name),
    commit: (expected, writes) => store.commit(expected, writes),
    close: () => store.close(),
    range: async (range) => {
      if (range.start === spansPrefix(1) && !isCut) {
        isCut = true;
        expect(await one.do(recut)).toEqual({ chunk: 2 });
      }
      return store.range(range);
    },
  };
  const space = await sceneService(slow).handle({ ask: "space" });
  expect(isCut).toBe(true);
  expect(space.map(({ chunk, sizeClass: its }) => [chunk, its])).toEqual([[2, otherClass]]);
});

test("a chunk that is restored and leased meanwhile is not retired", async () => {
  const { one, two, before } = await scene();
  await one.do(withdraw);
  before(async () => {
    await two.do(restore);
    await two.lease(1);
  });
  expect(await one.do(retire)).toBe("no");
  expect(await one.ask({ ask: "table" })).toMatchObject({ chunks: [{ state: "active" }] });
});

test("a place is cut anew when every live client has acknowledged the retirement", async () => {
  const { one, two, store } = await scene();
  const three = await enter(one.service, 3);
  expect(await one.do(recut)).toBe("no");
  await one.do(withdraw);
  await acknowledgeAll(one, two, three);
  await one.do(retire);
  expect(await one.do(recut)).toEqual({ waitingFor: [1, 2, 3] });
  await acknowledgeAll(one);
  expect(await one.do(recut)).toEqual({ waitingFor: [2, 3] });
  await one.do({ do: "markDead", dead: 2 });
  await three.do({ do: "leave" });
  // Who enters after the retirement knows of it.
  await enter(one.service, 4);
  expect(await one.do(recut)).toEqual({ chunk: 2 });
  expect(await one.do(recut)).toBe("no");
  expect(await one.ask({ ask: "table" })).toMatchObject({
    chunks: [{ chunk: 2, node: 1, place: 0, sizeClass: otherClass, state: "active" }],
  });
  expect(await store.range({ start: "span/00001/", end: "span/00001/~", limit: 9 })).toEqual([]);
  const queue = queuePrefix(sizeClass);
  expect(await store.range({ start: queue, end: endOf(queue), limit: 9 })).toEqual([]);
  expect(await one.do(lease)).toHaveProperty("grow");
  const parts = await one.lease(60, otherClass);
  expect(parts.map(({ chunk }) => chunk)).toEqual([2, 2, 2, 2, 2]);
});

test("who enters while a chunk is retired has acknowledged no more than it read", async () => {
  const { one, before } = await scene();
  await one.do(withdraw);
  let retired: unknown;
  before(async () => {
    retired = await one.do(retire);
  });
  const three = { client: 3, slot: 0, sequence: 1 };
  const enters = { ticket: three, change: { do: "enter", pid: 3, kind: "file" } } as const;
  expect(await one.service.handle(enters)).toEqual(retired);
});

test("every change of a chunk, and pressure, makes a generation", async () => {
  const { one, two } = await scene();
  const generations: number[] = [];
  const note = async (): Promise<void> => {
    generations.push((await one.ask({ ask: "table" })).generation);
  };
  await note();
  for (const change of [withdraw, restore, withdraw, retire, { do: "press" }] as const) {
    await one.do(change);
    await note();
  }
  await acknowledgeAll(one, two);
  await one.do(recut);
  await note();
  const first = generations[0] as number;
  expect(generations).toEqual([0, 1, 2, 3, 4, 5, 6].map((step) => first + step));
  expect(await one.ask({ ask: "table" })).toMatchObject({ pressure: 1 });
  await expect(one.do({ do: "acknowledge", generation: 99 })).rejects.toThrow("is yet to come");
});
