// Space: what becomes free serves every size, a full store says so and still deletes, and nothing
// is lost on the way.

import { toKey } from "@pdpm/kv";
import { addressIn, bufferClassFor, bufferImageBytes, buffersPerChunk } from "@pdpm/layout";
import type { ChunkTableReply } from "@pdpm/metadata-server/protocol";
import { Verb } from "@pdpm/verbs";
import { expect, test } from "vitest";
import { ask } from "./calls.ts";
import type { CentralBackend } from "./central-backend.ts";
import { audit } from "./contract-audit.ts";
import { failureOf } from "./contract-failures.ts";
import { changeIn, Pause, World } from "./contract-scene.ts";
import { relocate } from "./relocate.ts";
import { work } from "./work.ts";

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

test("cells that were given back to be counted are leased again for a write only", async () => {
  const world = new World(small);
  const host = await world.start();
  const client = await world.client();
  for (let i = 0; i < 100; i += 1) await world.put(client, `key ${i}`, "v");
  expect((await client.stats()).space.cellsUncommitted).toBe(0);
  // Housekeeping has nothing to do for a store at rest, however often its space is counted.
  for (let turn = 0; turn < 3; turn += 1) {
    await host.coordinator.run("housekeeping", work, {});
    const chunks = await host.coordinator.run(
      "housekeeping",
      (context) => ask(context, { ask: "space" }),
      {},
    );
    expect(chunks.reduce((sum, { leased }) => sum + leased, 0)).toBe(0);
    expect((await client.stats()).space.cellsUncommitted).toBe(0);
  }
  await world.put(client, "another", "v");
  expect(await world.get(client, "another")).toBe("v");
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

/** Every chunk is of one class and full; then one cell in sixteen stays. */
async function scattered(world: World): Promise<{ client: CentralBackend; kept: string[] }> {
  const client = await world.client();
  const names: string[] = [];
  for (;;) {
    const put = await world.put(client, `key ${names.length}`, "v").catch(() => undefined);
    if (put === undefined) break;
    names.push(`key ${names.length}`);
  }
  const kept: string[] = [];
  for (const [i, name] of names.entries()) {
    if (i % 16 === 0) kept.push(name);
    else await client.delete(toKey(name), undefined, {});
  }
  return { client, kept };
}

test("a chunk with live cells is emptied for a class that starves", async () => {
  const world = new World(small);
  const host = await world.start();
  const { client, kept } = await scattered(world);
  for (let i = 0; i < 3; i += 1) await world.put(client, `large ${i}`, "x".repeat(12_000));
  expect(host.coordinator.session.events.relocated).toBeGreaterThan(20);
  for (const name of kept) {
    // Its number went with it.
    expect(await client.get(toKey(name), {})).toMatchObject({ version: 1 });
  }
  await failureOf(world.put(client, "large 3", "x".repeat(12_000)), "PDPM_NO_SPACE");
  await client.stats();
  expect(await audit(world)).toEqual([]);
  await world.close();
});

test("a chunk that cannot be emptied serves on", async () => {
  const world = new World({ ...small, chunksMost: 2 });
  await world.start();
  const client = await world.client();
  await world.put(client, "k", "old");
  const pause = new Pause();
  world.hook = ({ round }) => (round?.[0]?.verb === Verb.write ? pause.at() : undefined);
  const writing = world.put(client, "k", "new");
  await pause.reached;
  world.hook = undefined;
  await failureOf(world.put(client, "large", "x".repeat(12_000)), "PDPM_NO_SPACE");
  const { chunks }: ChunkTableReply = await world.service.handle({ ask: "table" });
  expect(chunks.map(({ state }) => state)).toEqual(["active"]);
  pause.end();
  await writing;
  expect(await world.get(client, "k")).toBe("new");
  await client.delete(toKey("k"), undefined, {});
  await world.put(client, "large", "x".repeat(12_000));
  await world.close();
});

test("a cell moves before its write is committed or after, not in between", async () => {
  const world = new World();
  const host = await world.start();
  const client = await world.client();
  await world.put(client, "k", "old");
  const pause = new Pause();
  world.replyHook = ({ request }) => (changeIn(request) === "supersede" ? pause.at() : undefined);
  const writing = world.put(client, "k", "new");
  await pause.reached;
  world.replyHook = undefined;
  // Committed, and the coordinator does not know yet.
  const { head } = await world.lookup("k");
  const moving = world.run((context) => relocate(context, addressIn(head as bigint)));
  for (let i = 0; i < 50; i += 1) await new Promise((resolve) => setImmediate(resolve));
  pause.end();
  await Promise.all([writing, moving]);
  expect(host.coordinator.session.events.relocated).toBe(1);
  const moved = (await world.lookup("k")).head;
  expect(moved).not.toBe(head);
  expect(host.coordinator.session.mapping.get(toKey("k"))?.pointer).toBe(moved);
  expect(await world.get(client, "k")).toBe("new");
  await client.stats();
  expect(await audit(world)).toEqual([]);
  await world.close();
});

test("keys that are written, read and deleted while their cells move lose nothing", async () => {
  const world = new World(small);
  const host = await world.start();
  const { client, kept } = await scattered(world);
  let isOver = false;
  const versions = new Map<string, number>();
  const writers = kept.slice(0, 30).map(async (name, i) => {
    while (!isOver) {
      await new Promise((resolve) => setImmediate(resolve));
      if (i % 3 === 0) {
        expect(await world.get(client, name)).toBe("v");
        continue;
      }
      const version = await world.put(client, name, `${i}`);
      expect(version).toBeGreaterThan(versions.get(name) ?? 1);
      versions.set(name, version);
      if (i % 3 === 2) {
        expect(await client.delete(toKey(name), undefined, {})).toBe(version);
        expect(await world.get(client, name)).toBeUndefined();
      } else {
        expect(await world.get(client, name)).toBe(`${i}`);
      }
    }
  });
  for (let turn = 0; turn < 3; turn += 1) {
    await world.put(client, "large", "x".repeat(12_000 - 2000 * turn));
    await client.delete(toKey("large"), undefined, {});
  }
  isOver = true;
  await Promise.all(writers);
  expect(host.coordinator.session.events.relocated).toBeGreaterThan(0);
  for (const name of kept.slice(30)) expect(await world.get(client, name)).toBe("v");
  await client.stats();
  expect(await audit(world)).toEqual([]);
  await world.close();
});

test("a coordinator that dies at any step of it leaves a store that goes on", async () => {
  for (let steps = 0; steps < 400; steps += 23) {
    const world = new World({ ...small, seed: `empty ${steps}` });
    await world.start();
    const { client, kept } = await scattered(world);
    const dying = world.dieAfter(steps);
    const putting = world.put(client, "large", "x".repeat(12_000)).catch((error: Error) => error);
    await Promise.race([dying, putting]);
    world.kill();
    await world.start();
    await putting;
    await world.put(client, "large", "y".repeat(12_000));
    expect(await world.get(client, "large")).toBe("y".repeat(12_000));
    for (const name of kept) expect(await world.get(client, name)).toBe("v");
    const session = world.host?.coordinator.session;
    while (session?.sweep.isUnderWay) {
      world.host?.housekeeping.wake();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await client.stats();
    expect(await audit(world)).toEqual([]);
    await world.close();
  }
}, 60_000);
