// Space for a class that has none: from other classes' chunks, from what nobody collected, from
// other clients' hands, from the dead; and PDPM_NO_SPACE only when there is none.

import { isPdpmError, PdpmError, Prng } from "@pdpm/base";
import { bufferClassFor, bufferImageBytes, buffersPerChunk } from "@pdpm/layout";
import { expect, test } from "vitest";
import { change } from "./calls.ts";
import { collectAll } from "./collect.ts";
import { type Client, chunkBytes, valueWith, World } from "./contract-scene.ts";
import { giveEverythingBack } from "./hand-back.ts";
import { makeSpace } from "./make-space.ts";
import { refill } from "./refill.ts";

/** Puts keys until the store is full. Returns how many there are. */
async function fill(client: Client, prefix: string, bytes: number): Promise<number> {
  for (let i = 0; ; i += 1) {
    try {
      await client.put(`${prefix}-${i}`, valueWith(`${prefix} ${i};`, bytes));
    } catch (error) {
      if (!isPdpmError(error) || error.code !== "PDPM_NO_SPACE") throw error;
      expect(error.outcome).toBe("not-applied");
      return i;
    }
  }
}

async function expectValue(client: Client, prefix: string, i: number): Promise<void> {
  expect((await client.get(`${prefix}-${i}`))?.split(";")[0]).toBe(`${prefix} ${i}`);
}

/** Nothing is in hand and nothing is superseded: what is taken is what there are keys. */
async function expectExact(world: World, client: Client): Promise<void> {
  await client.run(collectAll);
  for (const each of world.clients) await each.run(giveEverythingBack);
  const keys = await world.keys();
  expect(await world.count()).toMatchObject({ taken: keys.length, leased: 0 });
}

test("a store that is full to the last byte, emptied, takes values of any other size", async () => {
  const world = new World(4);
  const client = await world.client();
  let last = "";
  for (const bytes of [1000, 200, 30_000, 200_000, 1001]) {
    const count = await fill(client, `v${bytes}`, bytes);
    const sizeClass = bufferClassFor(bufferImageBytes(10, bytes));
    expect(count).toBe(4 * buffersPerChunk(chunkBytes, sizeClass));
    for (const i of [0, count - 1]) await expectValue(client, `v${bytes}`, i);
    expect(await client.get(`${last}-0`)).toBeUndefined();
    for (let i = 0; i < count; i += 1) await client.delete(`v${bytes}-${i}`);
    last = `v${bytes}`;
  }
  await expectExact(world, client);
  expect(await world.count()).toMatchObject({ taken: 0, spent: 0 });
}, 60_000);

test("with 99 % deleted at random, the rest moves out of the way and keeps its versions", async () => {
  const world = new World(8);
  const client = await world.client();
  const count = await fill(client, "small", 1000);
  const prng = new Prng("99 %");
  const kept: number[] = [];
  for (let i = 0; i < count; i += 1) {
    if (prng.chance(0.01)) kept.push(i);
    else await client.delete(`small-${i}`);
  }
  expect(kept.length).toBeGreaterThan(8);
  const large = await fill(client, "large", 100_000);
  // Two to a chunk, in all but one or two chunks.
  expect(large).toBeGreaterThanOrEqual(12);
  expect(client.session.events.relocated).toBeGreaterThan(0);
  for (const i of kept) await expectValue(client, "small", i);
  for (let i = 0; i < large; i += 1) await expectValue(client, "large", i);
  for (const i of kept) {
    expect(await client.put(`small-${i}`, valueWith(`small ${i};2`, 1000))).toBe(2);
  }
  await expectExact(world, client);
}, 60_000);

test("buffers in another client's hands come back at its next pulse", async () => {
  const world = new World(1);
  const [one, other] = [await world.client(), await world.client()];
  await other.put("theirs", valueWith("theirs", 1000));
  // All of the store's buffers of this class.
  while ((await world.count()).free > 0) {
    const [held] = await world.space();
    await other.run((context) => refill(context, held?.sizeClass ?? 0));
  }
  expect(other.session.pool.count((await world.space())[0]?.sizeClass ?? 0)).toBeGreaterThan(100);
  await world.beating(Promise.resolve(one.put("mine", valueWith("mine", 1000))));
  expect(await other.get("mine")).toContain("mine");
  expect(await one.get("theirs")).toContain("theirs");
});

test("many operations of several clients fill a store that is fragmented, and none is stuck", async () => {
  const world = new World(4);
  const clients = [await world.client(), await world.client(), await world.client()];
  const [first] = clients as [Client];
  const count = await world.beating(fill(first, "old", 1000));
  for (let i = 0; i < count; i += 1) if (i % 8 !== 0) await first.delete(`old-${i}`);
  // 24 at once, of two classes.
  let written = 0;
  const lane = async (client: Client, n: number): Promise<void> => {
    for (let i = 0; ; i += 1) {
      const name = `lane-${client.id}-${n}`;
      try {
        await client.put(`${name}-${i}`, valueWith(`${name} ${i};`, n % 2 ? 1500 : 9000));
        written += 1;
      } catch (error) {
        if (!isPdpmError(error) || error.code !== "PDPM_NO_SPACE") throw error;
        return;
      }
    }
  };
  const lanes = clients.flatMap((client) => Array.from({ length: 8 }, (_, n) => lane(client, n)));
  await world.beating(Promise.all(lanes));
  expect(written).toBeGreaterThan(70);
  for (let i = 0; i < count; i += 8) await expectValue(first, "old", i);
  for (const client of clients) expect(client.session.spaceTurns.isTaken).toBe(false);
  expect(await world.service.handle({ ask: "offices" })).toMatchObject({ collector: 0 });
  expect((await world.space()).every(({ state }) => state === "active")).toBe(true);
  await world.beating(expectExact(world, first));
  // Every write that was acknowledged is there.
  const names = (await world.keys()).filter((key) => key.startsWith("lane-"));
  expect(names.length).toBe(written);
}, 60_000);

test("an operation that is told to stop leaves the turn, the office and the chunks as they were", async () => {
  const world = new World(2);
  const client = await world.client();
  const count = await fill(client, "small", 20_000);
  for (let i = 0; i < count; i += 1) if (i % 6 !== 0) await client.delete(`small-${i}`);
  await client.run(giveEverythingBack);
  const told = new PdpmError("PDPM_TIMEOUT", "the deadline passed");
  let isOver = false;
  for (let rounds = 1; !isOver; rounds += 1) {
    const making = client.step((context) => makeSpace(context, bufferClassFor(500)));
    isOver = await making.advance(rounds);
    if (isOver) break;
    try {
      making.tell(told);
      await making.advance(1000);
    } catch (error) {
      expect(error).toBe(told);
    }
    expect(client.session.spaceTurns.isTaken).toBe(false);
    expect(client.session.pool.refilling.size).toBe(0);
    expect(await world.service.handle({ ask: "offices" })).toMatchObject({ collector: 0 });
    // Emptied ones wait for the next collector; any other chunk is as it was.
    for (const { state, taken, leased } of await world.space()) {
      if (state !== "active") expect(taken + leased).toBe(0);
    }
    for (let i = 0; i < count; i += 6) await expectValue(client, "small", i);
  }
  await client.put("other", valueWith("other 0;", 400));
  for (let i = 0; i < count; i += 6) await expectValue(client, "small", i);
  await expectExact(world, client);
}, 60_000);

test("a client that was marked dead is taken back by whoever needs its space", async () => {
  const world = new World(1);
  const [dying, living] = [await world.client(), await world.client()];
  await dying.put("key", valueWith("key 0;", 1000));
  while ((await world.count()).free > 0) {
    const [chunk] = await world.space();
    await dying.run((context) => refill(context, chunk?.sizeClass ?? 0));
  }
  await living.run((context) => change(context, { do: "markDead", dead: dying.id }));
  await living.put("mine", valueWith("mine 0;", 1000));
  expect((await world.records()).map(({ id }) => id)).toEqual([living.id]);
  expect(await living.get("key")).toContain("key 0;");
});
