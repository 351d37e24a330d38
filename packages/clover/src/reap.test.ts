// What a dead client leaves behind: buffers in hand, versions that were linked and never reported,
// an insert that never marked its head. A reaper, or the next one, settles all of it, and nothing
// else.

import {
  addressIn,
  addressOf,
  bufferFields,
  gcVersionMost,
  headMarkOf,
  pointerTo,
} from "@pdpm/layout";
import { expect, test } from "vitest";
import { collectAll } from "./collect.ts";
import { type Client, World } from "./contract-scene.ts";
import { giveEverythingBack } from "./hand-back.ts";
import { reapClient } from "./reap.ts";
import { refill } from "./refill.ts";

/** A store with twelve keys of `dying`, which dies in the middle of a put, before round `rounds`. */
async function deathIn(rounds: number): Promise<{ world: World; dying: Client; living: Client }> {
  const world = new World();
  const [dying, living] = [await world.client(), await world.client()];
  for (let i = 0; i < 12; i += 1) await dying.put(`key-${i}`, `value ${i}.1`);
  for (let i = 0; i < 6; i += 1) await dying.put(`key-${i}`, `value ${i}.2`);
  for (let i = 0; i < 3; i += 1) await living.put(`key-${i}`, `value ${i}.3`);
  await dying.delete("key-11");
  await dying.dieWriting("key-5", "value 5.x", rounds);
  return { world, dying, living };
}

/** Reads every key, and expects the books to be those of exactly these keys. */
async function expectExact(world: World, client: Client, isLinked: boolean): Promise<void> {
  for (let i = 0; i < 11; i += 1) {
    const generation = i < 3 ? 3 : i < 6 ? 2 : 1;
    const last = isLinked && i === 5 ? "x" : generation;
    expect(await client.get(`key-${i}`)).toBe(`value ${i}.${last}`);
  }
  expect(await client.get("key-11")).toBeUndefined();
  await client.run(collectAll);
  await client.run(giveEverythingBack);
  expect(await world.count()).toMatchObject({ taken: 11, leased: 0, spent: 0 });
  for (const key of await world.keys()) {
    const head = (await world.head(key)) ?? 0n;
    expect(await world.headMark(addressIn(head)), key).toBe(headMarkOf(head));
  }
}

test("whatever a client was doing when it died, nothing of it is lost and nothing leaks", async () => {
  for (const rounds of [0, 1, 2, 3]) {
    const { world, dying, living } = await deathIn(rounds);
    await living.run((context) => reapClient(context, dying.id));
    expect(await world.leases(dying.id)).toEqual([]);
    expect((await world.records()).map(({ id }) => id)).toEqual([living.id]);
    expect(living.session.events.recoveries).toBeGreaterThan(0);
    await expectExact(world, living, rounds >= 2);
  }
});

test("a reaper may die at any round, and the next one ends what it began", async () => {
  let isOver = false;
  for (let rounds = 1; !isOver; rounds += 1) {
    expect(rounds).toBeLessThan(200);
    const { world, dying, living } = await deathIn(2);
    const reaper = await world.client();
    isOver = !(await reaper.dieIn((context) => reapClient(context, dying.id), rounds));
    await living.run((context) => reapClient(context, dying.id));
    await living.run((context) => reapClient(context, reaper.id));
    await expectExact(world, living, true);
  }
});

test("two reapers at once do no harm", async () => {
  const { world, dying, living } = await deathIn(1);
  const other = await world.client();
  await Promise.all(
    [living, other].map((client) => client.run((context) => reapClient(context, dying.id))),
  );
  await other.run(giveEverythingBack);
  await expectExact(world, living, false);
});

test("an insert that died before it marked its head is marked by the reaper", async () => {
  const world = new World();
  const [dying, living] = [await world.client(), await world.client()];
  await dying.put("other", "value");
  let name = "";
  let head: bigint | null = null;
  for (let rounds = 1; head === null; rounds += 1) {
    name = `key-${rounds}`;
    expect(await dying.dieWriting(name, "value", rounds)).toBe(true);
    head = await world.head(name);
  }
  expect(await world.headMark(addressIn(head))).toBe(head);
  await living.run((context) => reapClient(context, dying.id));
  expect(await world.headMark(addressIn(head))).toBe(headMarkOf(head));
  expect(await living.get(name)).toBe("value");
});

test("a leased buffer whose GC versions are used up is spent, not free", async () => {
  const world = new World();
  const [dying, living] = [await world.client(), await world.client()];
  await dying.run((context) => refill(context, 0));
  const [part] = await world.leases(dying.id);
  const address = addressOf(part?.chunk ?? 0, 0);
  await world.setWord(address + bufferFields.self, pointerTo(address, gcVersionMost));
  await living.run((context) => reapClient(context, dying.id));
  expect(await world.count()).toMatchObject({ spent: 1, leased: 0, taken: 0 });
});
