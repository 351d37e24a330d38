// Space for a class that has none: from other classes' chunks, from what nobody collected, from
// other clients' hands, from the dead; and PDPM_NO_SPACE only when there is none.

import { isPdpmError, Prng } from "@pdpm/base";
import { bufferClassFor, bufferImageBytes, buffersPerChunk } from "@pdpm/layout";
import { expect, test } from "vitest";
import { collectAll } from "./collect.ts";
import { type Client, chunkBytes, valueWith, World } from "./contract-scene.ts";
import { giveEverythingBack } from "./hand-back.ts";
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
