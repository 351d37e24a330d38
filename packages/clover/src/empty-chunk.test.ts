// Chunks change their class under everything that can go on at the time: collectors die at any
// round, writers write to what is being moved, clients are slow to let go, buffers are damaged.

import { toKey } from "@pdpm/kv";
import { addressIn, bufferFields, chunkOf, type Pointer } from "@pdpm/layout";
import type { ChunkSpace } from "@pdpm/metadata-server/protocol";
import { expect, test } from "vitest";
import type { BufferPool } from "./buffer-pool.ts";
import { collectAll } from "./collect.ts";
import { beat, type Client, World } from "./contract-scene.ts";
import { replaceChunk } from "./empty-chunk.ts";
import { giveEverythingBack } from "./hand-back.ts";
import { readKey } from "./read-path.ts";
import { reapClient } from "./reap.ts";

const bigBytes = 56_000;
const big = (i: number, generation = 1): string => `big ${i}.${generation} `.padEnd(bigBytes, ".");
const small = "small ".padEnd(1000, ".");

/** Chunks full of big values, of which `kept` are left; the third, if there is one, is `writer`'s. */
async function sparse(kept: readonly number[]): Promise<{ world: World; one: Client }>;
async function sparse(
  kept: readonly number[],
  isShared: true,
): Promise<{ world: World; one: Client; writer: Client }>;
async function sparse(
  kept: readonly number[],
  isShared = false,
): Promise<{ world: World; one: Client; writer?: Client }> {
  const world = new World(isShared ? 3 : 2);
  const one = await world.client();
  // Four to a chunk.
  for (let i = 0; i < 8; i += 1) await one.put(`big-${i}`, big(i));
  expect(await world.count()).toMatchObject({ free: 0 });
  const writer = isShared ? await world.client() : undefined;
  await writer?.put("mine", big(0));
  for (let i = 0; i < 8; i += 1) if (!kept.includes(i)) await one.delete(`big-${i}`);
  return writer === undefined ? { world, one } : { world, one, writer };
}

async function expectExact(world: World, client: Client): Promise<void> {
  await client.run(collectAll);
  for (const each of world.clients) {
    if ((await world.records()).some(({ id }) => id === each.id))
      await each.run(giveEverythingBack);
  }
  const keys = await world.keys();
  expect(await world.count()).toMatchObject({ taken: keys.length, leased: 0, spent: 0 });
}

/** The chunk in which the key is. */
async function chunkOfKey(world: World, client: Client, name: string): Promise<ChunkSpace> {
  const pointer = (await world.chain(client, name)).at(-1) ?? 0n;
  const space = await world.space();
  return space.find(({ chunk }) => chunk === chunkOf(addressIn(pointer))) as ChunkSpace;
}

test("a collector may die at any round, and the next one goes on with what it began", async () => {
  const kept = [1, 2, 5, 6];
  let isOver = false;
  for (let rounds = 1; !isOver; rounds += 1) {
    expect(rounds).toBeLessThan(300);
    const { world, one: dying } = await sparse(kept);
    isOver = !(await dying.dieWriting("small-0", small, rounds));
    const living = await world.client();
    await living.run((context) => reapClient(context, dying.id));
    await living.put("small-1", small);
    for (const i of kept) expect(await living.get(`big-${i}`)).toBe(big(i));
    expect(await living.get("small-1")).toBe(small);
    expect((await world.space()).map(({ state }) => state)).toEqual(["active", "active"]);
    await expectExact(world, living);
  }
}, 60_000);

test("what is moved keeps its version, and writers that come in between win", async () => {
  const kept = [1, 2, 5, 6];
  let relocated = 0;
  for (let rounds = 1, isOver = false; !isOver; rounds += 1) {
    const { world, one, writer } = await sparse(kept, true);
    const beating = <T>(work: T | Promise<T>): Promise<T> => world.beating(Promise.resolve(work));
    await one.run(giveEverythingBack);
    for (const i of kept) await writer.get(`big-${i}`);
    const chunk = await chunkOfKey(world, writer, "big-1");
    // The mover stops after so many rounds, and goes on when the writer is done.
    const moving = one.step((context) => replaceChunk(context, chunk, 0));
    for (let i = 0; i < rounds && !isOver; i += 1) {
      isOver = await moving.advance(1);
      if (moving.operation.waitingFor !== undefined) await writer.pulse();
    }
    for (const i of [1, 5]) expect(await writer.put(`big-${i}`, big(i, 2))).toBe(2);
    await writer.delete("big-2");
    await world.beating(moving.advance(10_000), [writer]);
    for (const i of [1, 5]) expect(await one.get(`big-${i}`)).toBe(big(i, 2));
    expect(await one.get("big-6")).toBe(big(6));
    expect(await one.get("big-2")).toBeUndefined();
    expect(await beating(one.put("big-6", big(6, 2)))).toBe(2);
    expect(await beating(one.put("big-1", big(1, 3)))).toBe(3);
    await expectExact(world, one);
    relocated += one.session.events.relocated;
  }
  expect(relocated).toBeGreaterThan(0);
}, 60_000);

test("a place is not cut anew before every client has let go of what was there", async () => {
  const { world, one } = await sparse([0]);
  const slow = await world.client();
  expect(await slow.get("big-0")).toBe(big(0));
  await one.run(giveEverythingBack);
  const before = (await world.head("big-0")) ?? 0n;
  const offset = await world.offsetOf(addressIn(before));
  const chunk = await chunkOfKey(world, slow, "big-0");
  // A get of the slow client has begun, and goes to the old place.
  const get = slow.step((context) => readKey(context, toKey("big-0")));
  await get.advance(0);
  let isDone = false;
  const replacing = (async () => {
    const result = await one.run((context) => replaceChunk(context, chunk, 0));
    isDone = true;
    return result;
  })();
  Object.assign(slow.session, { running: () => [get.operation] });
  const isRetired = async () => (await world.space()).some(({ state }) => state === "retired");
  while (!(await isRetired())) await beat(slow);
  for (let i = 0; i < 100; i += 1) await beat(slow);
  // It was emptied, and is empty.
  expect(await world.head("big-0")).not.toBe(before);
  expect(isDone).toBe(false);
  const bytes = new Uint8Array(64);
  world.memory.read(offset, bytes);
  expect(bytes).toEqual(new Uint8Array(64));
  expect(await get.advance(100)).toBe(true);
  expect(Buffer.from(get.result?.value ?? []).toString()).toBe(big(0));
  Object.assign(slow.session, { running: () => [] });
  expect(await world.beating(replacing, [slow])).toBe(true);
  expect(await slow.get("big-0")).toBe(big(0));
});

test("a chunk that cannot be emptied is restored", async () => {
  const { world, one } = await sparse([1, 5]);
  await one.run(giveEverythingBack);
  const [head] = await world.chain(one, "big-1");
  const address = addressIn(head ?? 0n);
  const chunk = await chunkOfKey(world, one, "big-1");
  const self = await world.word(address + bufferFields.self);
  await world.setWord(address + bufferFields.self, self ^ 1n);
  expect(await one.run((context) => replaceChunk(context, chunk, 0))).toBe(false);
  expect((await world.space()).map(({ state }) => state)).toEqual(["active", "active"]);
  await world.setWord(address + bufferFields.self, self);
  expect(await one.get("big-1")).toBe(big(1));
});

test("an update that waits for a buffer while its key moves away finds it where it is now", async () => {
  const { world, one, writer } = await sparse([1], true);
  await one.run(giveEverythingBack);
  expect(await writer.get("big-1")).toBe(big(1));
  const chunk = await chunkOfKey(world, one, "big-1");
  // All that the writer has is in other hands, and more is on its way.
  const sizeClass = chunk.sizeClass;
  const { pool } = writer.session;
  const held = [...takeAll(pool, sizeClass)];
  pool.refilling.add(sizeClass);
  const putting = writer.stepWrite("big-1", big(1, 2));
  while (putting.operation.waitingFor === undefined) await putting.advance(1);
  Object.assign(writer.session, { running: () => [putting.operation] });
  const replacing = one.run((context) => replaceChunk(context, chunk, 0));
  const waiting = (async () => {
    let isOver = false;
    void replacing.finally(() => {
      isOver = true;
    });
    while (!isOver) {
      await putting.advance(1);
      await beat(writer);
    }
  })();
  expect(await replacing).toBe(true);
  await waiting;
  pool.refilling.delete(sizeClass);
  for (const pointer of held) pool.give(sizeClass, pointer);
  expect(await putting.advance(1000)).toBe(true);
  expect(await one.get("big-1")).toBe(big(1, 2));
  expect((await one.backend.get(toKey("big-1"), {}))?.version).toBe(2);
});

function* takeAll(pool: BufferPool, sizeClass: number): Generator<Pointer> {
  for (let one = pool.take(sizeClass); one !== undefined; one = pool.take(sizeClass)) yield one;
}
