// What this client replaced or deleted is reported, freed, and leaves exactly one head mark per
// key.

import { PdpmError } from "@pdpm/base";
import { toKey } from "@pdpm/kv";
import { addressIn, headMarkOf, type Pointer } from "@pdpm/layout";
import { expect, test } from "vitest";
import { advance, movesOf } from "./advance.ts";
import { type Client, World } from "./contract-scene.ts";
import { forgetChain } from "./forget.ts";
import { giveEverythingBack } from "./hand-back.ts";
import { markHeads } from "./head-marks.ts";
import { retireAll, retireSome, sweepKeys } from "./retire.ts";

async function updated(times: number): Promise<{ world: World; client: Client }> {
  const world = new World();
  const client = await world.client();
  for (let i = 0; i <= times; i += 1) await client.put("key", `value ${i}`);
  return { world, client };
}

test("superseded versions are freed, and the next head is marked before", async () => {
  const { world, client } = await updated(5);
  const chain = await world.chain(client, "key");
  expect(chain.length).toBe(6);
  const next = chain.at(-1) as Pointer;
  const marks: bigint[] = [];
  world.before = async (_client, change) => {
    if (change.do === "advance") marks.push(await world.headMark(addressIn(next)));
  };
  await client.run(retireAll);
  expect(marks).toEqual([headMarkOf(next)]);
  expect(await world.chain(client, "key")).toEqual([next]);
  expect(client.session.retiring.lag).toBe(0);
  await client.run(giveEverythingBack);
  expect(await world.count()).toMatchObject({ taken: 1, leased: 0 });
});

test("a key that two clients write is walked, and freed by whoever comes first", async () => {
  const world = new World();
  const [one, other] = [await world.client(), await world.client()];
  for (let i = 0; i < 10; i += 1) await (i % 2 ? one : other).put("key", `value ${i}`);
  await Promise.all([one.run(retireAll), other.run(retireAll)]);
  expect((await world.chain(one, "key")).length).toBe(1);
  expect(await one.get("key")).toBe("value 9");
  for (const client of [one, other]) await client.run(giveEverythingBack);
  expect(await world.count()).toMatchObject({ taken: 1, leased: 0 });
});

test("a report that fails is not forgotten", async () => {
  const { world, client } = await updated(5);
  world.loses = (_client, request) => {
    const isAdvance = "change" in request && request.change.do === "advance";
    return isAdvance ? new PdpmError("PDPM_CORRUPT", "no") : undefined;
  };
  await expect(client.run(retireAll)).rejects.toThrow("PDPM_CORRUPT");
  world.loses = undefined;
  expect(client.session.retiring.isEmpty).toBe(false);
  await client.run(retireAll);
  expect((await world.chain(client, "key")).length).toBe(1);
});

test("reports of one key follow each other, and none is refused", async () => {
  const { world, client } = await updated(5);
  const replies: unknown[] = [];
  world.before = async (_client, { do: wanted }) => {
    if (wanted === "advance") replies.push(client.session.retiring.isBusy);
  };
  const first = client.step((context) => retireSome(context, "any"));
  await first.advance(1);
  // Its change is on the way; meanwhile there is more.
  await client.put("key", "value 6");
  const second = client.step((context) => retireSome(context, "any"));
  await second.advance(5);
  expect(client.session.retiring.lag).toBe(1);
  await first.advance(100);
  await second.advance(100);
  expect([first.result, second.result, replies]).toEqual([true, true, [true, true]]);
  expect((await world.chain(client, "key")).length).toBe(1);
  expect(client.session.events.retired).toBe(6);
});

test("a walk that frees what waits here leaves nothing of it to report", async () => {
  const { world, client } = await updated(5);
  await client.run((context) => sweepKeys(context, [toKey("key")]));
  expect(client.session.retiring.isEmpty).toBe(true);
  expect((await world.chain(client, "key")).length).toBe(1);
  expect(await client.run((context) => retireSome(context, "any"))).toBe(false);
});

test("H16: writers wait while too much is unreported", async () => {
  const { client, world } = await updated(5);
  const { retiring } = client.session;
  const [pointer] = (await world.chain(client, "key")) as [Pointer];
  const large = toKey("large");
  // Few versions of many bytes, or many of few.
  for (const [versions, bytes] of [
    [4, 2 ** 24],
    [16_384, 64],
  ] as const) {
    retiring.isBusy = true;
    expect([retiring.isDue, retiring.isWorthMore, retiring.isFull]).toEqual([false, false, false]);
    for (let i = 0; i < versions; i += 1) retiring.superseded(large, pointer, pointer, bytes);
    expect([retiring.isDue, retiring.isWorthMore, retiring.isFull]).toEqual([true, true, true]);
    const put = client.put("other", `value ${versions}`);
    for (let i = 0; i < 20; i += 1) await new Promise((resolve) => setImmediate(resolve));
    expect(await client.get("other")).not.toBe(`value ${versions}`);
    retiring.sealed(large);
    retiring.forgotten(large);
    expect([retiring.isDue, retiring.isWorthMore, retiring.isFull]).toEqual([false, false, false]);
    await put;
    expect(await client.get("other")).toBe(`value ${versions}`);
  }
});

test("a sealed chain's marks are wiped before it is forgotten, and stay so", async () => {
  const { world, client } = await updated(3);
  const other = await world.client();
  const chain = await world.chain(client, "key");
  await client.delete("key");
  let isAsked = false;
  world.before = async (asking, { do: wanted }) => {
    if (asking !== client.id || wanted !== "forgetMany") return;
    isAsked = true;
    for (const pointer of chain) expect(await world.headMark(addressIn(pointer))).toBe(0n);
    // A report that was on its way for long marks nothing any more.
    const late = chain[2] as Pointer;
    expect(await other.run((context) => markHeads(context, [late]))).toEqual([false]);
    const moves = movesOf(toKey("key"), chain.slice(0, 2), late);
    expect(await other.run((context) => advance(context, moves))).toMatchObject({ freed: 0 });
    expect(await world.headMark(addressIn(late))).toBe(0n);
  };
  expect(await client.run((context) => forgetChain(context, toKey("key")))).toBe(true);
  expect(isAsked).toBe(true);
  expect(await world.head("key")).toBeNull();
});

test("deleted keys are forgotten many at a time, and their numbers are not used again", async () => {
  const world = new World();
  const client = await world.client();
  for (let i = 0; i < 300; i += 1) await client.put(`key-${i}`, "value");
  for (let i = 0; i < 300; i += 1) await client.delete(`key-${i}`);
  expect((await world.keys()).length).toBe(300);
  await client.run((context) => retireSome(context, "any"));
  expect((await world.keys()).length).toBe(44);
  await client.run(retireAll);
  expect(await world.keys()).toEqual([]);
  expect(await client.put("key-7", "again")).toBeGreaterThan(1);
  await client.run(giveEverythingBack);
  expect(await world.count()).toMatchObject({ taken: 1, leased: 0 });
});

test("a chain whose head others move meanwhile is forgotten all the same", async () => {
  const { world, client } = await updated(9);
  const other = await world.client();
  const chain = await world.chain(client, "key");
  await client.delete("key");
  const stepping = client.step((context) => forgetChain(context, toKey("key")));
  // Found and walked.
  await stepping.advance(12);
  const moves = movesOf(toKey("key"), chain.slice(0, 4), chain[4] as Pointer);
  await other.run((context) => advance(context, moves));
  expect(await stepping.advance(100)).toBe(true);
  expect(stepping.result).toBe(true);
  expect(await world.head("key")).toBeNull();
});
