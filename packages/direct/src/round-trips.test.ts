// The paper's numbers, over memory that answers at once: a warm get takes one round trip, a warm
// update four. The same counts are taken over real sockets in test/integration/round-trips.test.ts.

import { toKey } from "@pdpm/kv";
import { expect, test } from "vitest";
import { World } from "./contract-scene.ts";

const key = toKey("greeting");
const value = new Uint8Array(1024);

test("warm: 1 round trip per get, 4 per update", async () => {
  const client = new World().client();
  await client.put(key, value, undefined, {});
  await client.get(key, {});
  const before = client.counters().operations;
  for (let i = 0; i < 10; i += 1) await client.get(key, {});
  for (let i = 0; i < 10; i += 1) await client.put(key, value, undefined, {});
  const { get, put } = client.counters().operations;
  expect((get?.roundTrips ?? 0) - (before["get"]?.roundTrips ?? 0)).toBe(10);
  expect((put?.roundTrips ?? 0) - (before["put"]?.roundTrips ?? 0)).toBe(40);
});
