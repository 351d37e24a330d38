// Space: what becomes free serves every size, a full store says so and still deletes, and nothing
// is lost on the way.

import { toKey } from "@pdpm/kv";
import { bufferClassFor, bufferImageBytes, buffersPerChunk } from "@pdpm/layout";
import { expect, test } from "vitest";
import { audit } from "./contract-audit.ts";
import { failureOf } from "./contract-failures.ts";
import { World } from "./contract-scene.ts";

const small = { chunkBytes: 2 ** 14, chunksMost: 5, nodeCount: 1 };

test("a chunk that is empty is zeroed, and serves another size under a new number", async () => {
  const world = new World(small);
  const host = await world.start();
  const client = await world.client();
  for (let turn = 0; turn < 3; turn += 1) {
    const length = [200, 3000, 500][turn] as number;
    const names: string[] = [];
    for (;;) {
      const name = `${turn}.${names.length}`;
      const put = await world.put(client, name, name.padEnd(length)).catch((error: Error) => error);
      if (typeof put !== "number") {
        await failureOf(Promise.reject(put), "PDPM_NO_SPACE");
        break;
      }
      names.push(name);
    }
    // Four chunks beside the root chunk, full of them.
    const sizeClass = bufferClassFor(bufferImageBytes(4, length));
    expect(names.length).toBe(4 * buffersPerChunk(small.chunkBytes, sizeClass));
    for (const name of names) expect((await world.get(client, name))?.trim()).toBe(name);
    for (const name of names)
      expect(await client.delete(toKey(name), undefined, {})).toBeGreaterThan(0);
    await client.stats();
    expect(await audit(world)).toEqual([]);
  }
  expect(host.coordinator.session.events.chunksRecut).toBeGreaterThan(4);
  await world.close();
  expect(await audit(world)).toEqual([]);
});

test("a full store takes updates as long as what they replace can be freed", async () => {
  const world = new World(small);
  await world.start();
  const client = await world.client();
  const value = "x".repeat(3000);
  const names: string[] = [];
  while (names.length < 1000) {
    const name = `key ${names.length}`;
    const put = await world.put(client, name, value).catch(() => undefined);
    if (put === undefined) break;
    names.push(name);
  }
  await failureOf(world.put(client, "more", value), "PDPM_NO_SPACE");
  expect(await client.delete(toKey(names.pop() as string), undefined, {})).toBeGreaterThan(0);
  for (let i = 0; i < 50; i += 1) await world.put(client, names[0] as string, `${i}`.padEnd(3000));
  for (const name of names) expect(await world.get(client, name)).toBeDefined();
  await client.stats();
  expect(await audit(world)).toEqual([]);
  await world.close();
});

test("many writers that find no space wait for the one who makes it", async () => {
  const world = new World(small);
  await world.start();
  const client = await world.client();
  const names = Array.from({ length: 300 }, (_, i) => `key ${i}`);
  const fill = await Promise.allSettled(names.map((name) => world.put(client, name, "v")));
  const kept = names.filter((_, i) => fill[i]?.status === "fulfilled");
  await Promise.all(kept.map((name) => client.delete(toKey(name), undefined, {})));
  const puts = Array.from({ length: 12 }, (_, i) =>
    world.put(client, `large ${i}`, "y".repeat(2000)),
  );
  await Promise.all(puts);
  await client.stats();
  expect(await audit(world)).toEqual([]);
  await world.close();
});
