// A full collection finds what nobody reported, and costs a page, not a key.

import { addressIn, headMarkOf } from "@pdpm/layout";
import { expect, test } from "vitest";
import { collectAll } from "./collect.ts";
import { type Client, World } from "./contract-scene.ts";
import { giveEverythingBack } from "./hand-back.ts";
import { RetireQueue } from "./retire-queue.ts";

/** The client loses all that it has to report, like one that dies and was reaped. */
function forgetReports(client: Client): void {
  const empty = new RetireQueue(2 ** 30);
  Object.assign(client.session, { retiring: empty });
}

test("what no client reports is found, and taken is exactly one buffer per key", async () => {
  const world = new World();
  const [one, other] = [await world.client(), await world.client()];
  for (let i = 0; i < 300; i += 1) await one.put(`key-${i}`, `value ${i}.1`);
  for (let i = 0; i < 40; i += 1) await other.put(`key-${i}`, `value ${i}.2`);
  for (let i = 0; i < 20; i += 1) await one.put(`key-${i}`, `value ${i}.3`);
  for (let i = 290; i < 300; i += 1) await other.delete(`key-${i}`);
  for (const client of [one, other]) {
    forgetReports(client);
    await client.run(giveEverythingBack);
  }
  expect(await world.count()).toMatchObject({ taken: 360, leased: 0 });
  expect(await one.run(collectAll)).toBe(true);
  expect(await world.count()).toMatchObject({ taken: 290, leased: 0 });
  for (const i of [0, 19, 20, 39, 40, 289]) {
    const last = i < 20 ? 3 : i < 40 ? 2 : 1;
    expect(await other.get(`key-${i}`)).toBe(`value ${i}.${last}`);
    const chain = await world.chain(one, `key-${i}`);
    expect(chain.length).toBe(1);
    expect(await world.headMark(addressIn(chain[0] as bigint))).toBe(
      headMarkOf(chain[0] as bigint),
    );
  }
  expect(await other.get("key-295")).toBeUndefined();
  expect(await one.run(collectAll)).toBe(false);
});

test("a key whose chain is as it should be costs no call and no round trip of its own", async () => {
  const world = new World();
  const client = await world.client();
  for (let i = 0; i < 520; i += 1) await client.put(`key-${i}`, "value");
  const operation = client.runner.operation("collect");
  await client.runner.run(operation, collectAll({ session: client.session, operation }), {});
  // Three pages of 256 keys at most.
  expect(operation.roundTrips).toBe(3);
  expect(client.backend.counters().operations["collect"]?.calls).toBe(3);
});

test("a version longer than what one request may free is freed in several", async () => {
  const world = new World(20);
  const client = await world.client();
  for (let i = 0; i < 5000; i += 1) await client.put("hot", `${i}`);
  forgetReports(client);
  expect((await world.chain(client, "hot")).length).toBe(5000);
  expect(await client.run(collectAll)).toBe(true);
  expect((await world.chain(client, "hot")).length).toBe(1);
  expect(await client.get("hot")).toBe("4999");
  for (let i = 0; i < 5000; i += 1) await client.put("hot", `${i}`);
  await client.delete("hot");
  forgetReports(client);
  await client.run(collectAll);
  await client.run(giveEverythingBack);
  expect(await world.count()).toMatchObject({ taken: 0, leased: 0 });
  expect(await client.get("hot")).toBeUndefined();
});
