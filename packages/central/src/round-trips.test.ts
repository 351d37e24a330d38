// The paper's numbers, over memory that answers at once: a read is one call of the client and one
// round trip of the coordinator, and so is an update, an insert and a delete.

import { toKey } from "@pdpm/kv";
import { expect, test } from "vitest";
import { World } from "./contract-scene.ts";

test("warm: 1 call and 1 round trip per get, update, insert and delete", async () => {
  const world = new World();
  const host = await world.start();
  const client = await world.client();
  const value = new Uint8Array(1024);
  await client.put(toKey("k"), value, undefined, {});
  const before = host.coordinator.counters().operations;
  const own = client.counters().operations;
  for (let i = 0; i < 10; i += 1) await client.get(toKey("k"), {});
  for (let i = 0; i < 10; i += 1) await client.put(toKey("k"), value, undefined, {});
  for (let i = 0; i < 10; i += 1) await client.put(toKey(`new ${i}`), value, undefined, {});
  for (let i = 0; i < 10; i += 1) await client.delete(toKey(`new ${i}`), undefined, {});
  const after = host.coordinator.counters().operations;
  const cost = (kind: string, what: "roundTrips" | "calls"): number =>
    (after[kind]?.[what] ?? 0) - (before[kind]?.[what] ?? 0);
  expect(cost("get", "roundTrips")).toBe(10);
  expect(cost("get", "calls")).toBe(0);
  expect(cost("put", "roundTrips")).toBe(20);
  // An update is one transaction; an insert looks the key up first.
  expect(cost("put", "calls")).toBe(10 + 20);
  expect(cost("delete", "roundTrips")).toBe(10);
  const { get, put } = client.counters().operations;
  expect((get?.calls ?? 0) - (own["get"]?.calls ?? 0)).toBe(10);
  expect((put?.calls ?? 0) - (own["put"]?.calls ?? 0)).toBe(20);
  expect([get?.roundTrips, put?.roundTrips]).toEqual([0, 0]);
  await world.close();
});

test("a key that the mapping forgot is looked up once", async () => {
  const world = new World({ mappingMost: 1 });
  const host = await world.start();
  const client = await world.client();
  await world.put(client, "a", "1");
  await world.put(client, "b", "2");
  const calls = (): number => host.coordinator.counters().operations["get"]?.calls ?? 0;
  for (let i = 0; i < 3; i += 1) expect(await world.get(client, "a")).toBe("1");
  expect(calls()).toBe(1);
  expect(await world.get(client, "b")).toBe("2");
  expect(calls()).toBe(2);
  await world.close();
});
