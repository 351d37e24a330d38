// What a client does on time: it answers pressure, gives back what was withdrawn, and says so only
// then.

import { addressIn, chunkOf } from "@pdpm/layout";
import { expect, test } from "vitest";
import { ask, change } from "./calls.ts";
import { World } from "./contract-scene.ts";
import { pulse, work } from "./pulse.ts";
import { refill } from "./refill.ts";

test("under pressure a client reports and gives back, and acknowledges only then", async () => {
  const world = new World();
  const [one, other] = [await world.client(), await world.client()];
  for (let i = 0; i < 10; i += 1) await one.put("key", `value ${i}`);
  await one.pulse();
  expect((await world.leases(one.id)).length).toBe(1);
  const { generation } = await other.run((context) => change(context, { do: "press" }));
  const beating = one.step(pulse);
  for (;;) {
    const isOver = await beating.advance(1);
    const [record] = await world.records();
    const isAcknowledged = (record?.acknowledged ?? 0) >= generation;
    if (isAcknowledged) {
      expect(await world.leases(one.id)).toEqual([]);
      expect((await world.chain(other, "key")).length).toBe(1);
    }
    if (isOver) break;
  }
  const [record] = await world.records();
  expect(record?.acknowledged).toBeGreaterThanOrEqual(generation);
  // Pressure is answered once.
  await one.put("key", "value");
  await one.pulse();
  expect((await world.leases(one.id)).length).toBe(1);
});

test("pressure that another reading of the table has seen is answered all the same", async () => {
  const world = new World();
  const [one, other] = [await world.client(), await world.client()];
  await one.put("key", "value");
  await one.pulse();
  await other.run((context) => change(context, { do: "press" }));
  await one.run((context) => one.session.table.load(context));
  await one.pulse();
  expect(await world.leases(one.id)).toEqual([]);
});

test("buffers of a withdrawn chunk are given back, and those of others are not", async () => {
  const world = new World();
  const [one, other] = [await world.client(), await world.client()];
  await one.put("key", "value");
  await one.put("large", "value".repeat(1000));
  const [pointer] = await world.chain(one, "key");
  const chunk = chunkOf(addressIn(pointer ?? 0n));
  await other.run((context) => change(context, { do: "withdraw", chunk }));
  await one.pulse();
  expect((await world.leases(one.id)).map((part) => part.chunk)).not.toContain(chunk);
  expect((await world.leases(one.id)).length).toBe(1);
  const space = await other.run((context) => ask(context, { ask: "space" }));
  expect(space.find((each) => each.chunk === chunk)).toMatchObject({ leased: 0, taken: 1 });
});

test("an operation that began before a table holds its acknowledgement back", async () => {
  const world = new World();
  const [one, other] = [await world.client(), await world.client()];
  const stepping = one.step((context) => refill(context, 0));
  await stepping.advance(1);
  Object.assign(one.session, { running: () => [stepping.operation] });
  const { generation } = await other.run((context) => change(context, { do: "press" }));
  await one.pulse();
  expect((await world.records())[0]?.acknowledged).toBeLessThan(generation);
  await stepping.advance(100);
  Object.assign(one.session, { running: () => [] });
  await one.pulse();
  expect((await world.records())[0]?.acknowledged).toBeGreaterThanOrEqual(generation);
});

test("a client that writes reports nothing until enough waits; one that rests reports all", async () => {
  const world = new World();
  const client = await world.client();
  const { retiring } = client.session;
  for (let i = 0; i <= 50; i += 1) await client.put("key", `value ${i}`);
  await client.run(work);
  expect(retiring.lag).toBe(50);
  await client.put("key", "value 51");
  await client.run(work);
  expect(retiring.lag).toBe(51);
  await client.run(work);
  expect(retiring.lag).toBe(0);
  expect((await world.chain(client, "key")).length).toBe(1);
});

test("work reports what was replaced and deleted, and refills what runs low", async () => {
  const world = new World();
  const client = await world.client();
  for (let i = 0; i < 600; i += 1) await client.put(`key-${i}`, "value");
  for (let i = 0; i < 600; i += 1) await client.put(`key-${i}`, "value 2");
  for (let i = 0; i < 300; i += 1) await client.delete(`key-${i}`);
  const { pool, retiring } = client.session;
  const [sizeClass] = pool.classes();
  while (pool.count(sizeClass ?? 0) >= pool.lowWater(sizeClass ?? 0)) {
    await client.put("key-599", "value 3");
  }
  const before = pool.count(sizeClass ?? 0);
  while (!retiring.isEmpty) await client.run(work);
  expect(pool.count(sizeClass ?? 0)).toBeGreaterThan(before);
  expect((await world.keys()).length).toBe(300);
  for (const i of [300, 599]) expect((await world.chain(client, `key-${i}`)).length).toBe(1);
});
