// Leases by span, first in first out, and what becomes of buffers that come back.

import { gcVersionMost } from "@pdpm/layout";
import { expect, test } from "vitest";
import {
  bits,
  buffer,
  type Caller,
  enter,
  key,
  scene,
  sceneService,
  sizeClass,
} from "./contract-scene.ts";
import { MemoryStore } from "./memory-store.ts";
import type { SpanPart } from "./protocol.ts";
import { queueEntryOf, spanOf } from "./records.ts";
import { leaseSpansMost } from "./space.ts";
import { Transaction } from "./transaction.ts";

const spanNames = (parts: readonly SpanPart[]): number[] => parts.map(({ span }) => span);
const giveBack = (caller: Caller, span: number, ...unused: number[]): Promise<"done"> =>
  caller.do({ do: "giveBack", spans: [{ chunk: 1, span, bitmap: bits(...unused) }] });

test("a lease takes whole spans until it has enough, and at least one", async () => {
  const { one } = await scene();
  expect(spanNames(await one.lease(1))).toEqual([0]);
  expect(spanNames(await one.lease(13))).toEqual([1, 2]);
  expect(await one.lease(60)).toEqual([
    { chunk: 1, span: 3, bitmap: bits(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11) },
    { chunk: 1, span: 4, bitmap: bits(0, 1, 2) },
  ]);
  expect(await one.ask({ ask: "leases", client: 1 })).toHaveLength(5);
});

test("spans are leased again in the order in which they became free", async () => {
  const { one, two } = await scene();
  await one.lease(60);
  for (const span of [3, 1, 4, 0]) await giveBack(one, span, 0, 2);
  expect(spanNames(await two.lease(3))).toEqual([3, 1]);
  await giveBack(one, 2, 1);
  await giveBack(two, 3, 2);
  expect(await two.lease(60)).toEqual([
    { chunk: 1, span: 4, bitmap: bits(0, 2) },
    { chunk: 1, span: 0, bitmap: bits(0, 2) },
    { chunk: 1, span: 2, bitmap: bits(1) },
    { chunk: 1, span: 3, bitmap: bits(2) },
  ]);
});

test("what becomes free in a queued span is leased with it, in its old place", async () => {
  const { one, two } = await scene();
  await one.lease(60);
  for (const [name, index] of [
    ["a", 1],
    ["b", 12],
  ] as const) {
    const pointer = buffer(1, index);
    await one.do({ do: "create", key: key(name), pointer, commitNumber: 1 });
  }
  await giveBack(one, 0, 0);
  await giveBack(one, 2, 0);
  // Nothing of span 1 is free: it is not queued before something is.
  await giveBack(one, 1);
  const forget = (name: string, index: number): Promise<unknown> => {
    const head = buffer(1, index);
    return one.do({ do: "forget", key: key(name), head, commitNumber: 1, freed: [head] });
  };
  await forget("a", 1);
  await forget("b", 12);
  expect(await two.lease(60)).toEqual([
    { chunk: 1, span: 0, bitmap: bits(0, 1) },
    { chunk: 1, span: 2, bitmap: bits(0) },
    { chunk: 1, span: 1, bitmap: bits(0) },
  ]);
});

test("what becomes free in a leased span waits until the span is given back", async () => {
  const { one, two } = await scene();
  await one.lease(1);
  const head = buffer(1, 0);
  await one.do({ do: "create", key: key("k"), pointer: head, commitNumber: 1 });
  await two.do({ do: "forget", key: key("k"), head, commitNumber: 1, freed: [head] });
  expect(spanNames(await two.lease(60))).toEqual([1, 2, 3, 4]);
  expect(await two.do({ do: "lease", sizeClass, buffers: 1 })).toHaveProperty("grow");
  await giveBack(one, 0);
  expect(await two.lease(60)).toEqual([{ chunk: 1, span: 0, bitmap: bits(0) }]);
});

test("two clients that lease at once get different spans", async () => {
  const { one, two, before } = await scene();
  let other: readonly SpanPart[] = [];
  before(async () => {
    other = await two.lease(20);
  });
  expect(spanNames(await one.lease(20))).toEqual([2, 3]);
  expect(spanNames(other)).toEqual([0, 1]);
});

test("a buffer in its last life is spent, not free, and never leased again", async () => {
  const { one } = await scene();
  await one.lease(1);
  const last = buffer(1, 3, gcVersionMost);
  await one.do({ do: "create", key: key("k"), pointer: last, commitNumber: 1 });
  await one.do({ do: "forget", key: key("k"), head: last, commitNumber: 1, freed: [last] });
  expect(await one.ask({ ask: "space" })).toMatchObject([{ spent: 1, leased: 11 }]);
  // Another one used its last life up without ever being linked.
  const spans = [{ chunk: 1, span: 0, bitmap: bits(0, 1), spent: bits(1, 2) }];
  expect(await one.do({ do: "giveBack", spans })).toBe("done");
  expect(await one.ask({ ask: "space" })).toMatchObject([{ spent: 3, taken: 8, free: 40 }]);
  const parts = await one.lease(60);
  expect(parts.at(-1)).toEqual({ chunk: 1, span: 0, bitmap: bits(0) });
});

test("only what is leased to a client comes back from it", async () => {
  const { one, two } = await scene();
  await one.lease(1);
  await giveBack(one, 0, 0);
  await two.lease(60);
  const invalid = { code: "PDPM_INVALID_ARGUMENT" };
  await expect(giveBack(two, 0, 1)).rejects.toMatchObject(invalid);
  await expect(giveBack(two, 1, 12)).rejects.toMatchObject(invalid);
  await expect(giveBack(two, 1, 40)).rejects.toMatchObject(invalid);
  // A span that is not one's own was given back before.
  const before = await one.ask({ ask: "space" });
  expect(await giveBack(one, 0, 0)).toBe("done");
  expect(await giveBack(one, 77, 0)).toBe("done");
  expect(await one.ask({ ask: "space" })).toEqual(before);
});

test("a lease is bounded however much is asked for", async () => {
  const label = { chunkBytes: 2 ** 26, chunksMost: 5, nodeCount: 1 };
  const one = await enter(sceneService(new MemoryStore(), { label }), 1);
  for (const place of [1, 2, 3]) await one.do({ do: "addChunk", node: 0, place, sizeClass: 52 });
  expect(await one.lease(2 ** 20, 52)).toHaveLength(leaseSpansMost);
  expect(await one.lease(2 ** 20, 52)).toHaveLength(3 * 127 - leaseSpansMost);
});

test("a queue and a span that contradict each other are damage", async () => {
  const { store, one } = await scene();
  const damage = new Transaction(store);
  const record = await damage.require(spanOf(1, 0));
  damage.put(spanOf(1, 0), { ...record, owner: 2 });
  await damage.commit();
  const { key: name } = queueEntryOf({ sizeClass, sequence: 1, chunk: 1, span: 0 });
  await expect(one.lease(1)).rejects.toThrow(`PDPM_CORRUPT: the metadata record "${name}"`);
});
