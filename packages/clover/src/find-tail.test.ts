// A key that a client does not know is found by its shortcut, without a call, and by the directory
// whenever the shortcut is wrong in any way: it is a hint (H8).

import { toKey } from "@pdpm/kv";
import {
  addressIn,
  addressOf,
  bufferFields,
  chunkOf,
  type Pointer,
  pointerTo,
  sealOf,
} from "@pdpm/layout";
import { expect, test } from "vitest";
import { type Client, chunkBytes, World } from "./contract-scene.ts";
import { giveEverythingBack } from "./hand-back.ts";
import { publishShortcuts } from "./shortcut-cells.ts";

/** Calls and round trips of `kind` that this client has made. */
function costs(client: Client, kind: string): { calls: number; trips: number } {
  const counted = client.backend.counters().operations[kind];
  return { calls: counted?.calls ?? 0, trips: counted?.roundTrips ?? 0 };
}

async function twoClients(names: readonly string[]) {
  const world = new World();
  const [writer, reader] = [await world.client(), await world.client()];
  for (const name of names) await writer.put(name, `first ${name}`);
  await writer.run(publishShortcuts);
  await reader.pulse();
  const cell = (name: string) => reader.session.shortcuts.cell(toKey(name));
  const lead = (name: string, word: bigint) => world.setWord(cell(name), word);
  return { world, writer, reader, cell, lead };
}

test("a key that others put is read in two round trips, without a call", async () => {
  const names = ["a", "b", "c", "d"];
  const { reader } = await twoClients(names);
  for (const name of names) expect(await reader.get(name)).toBe(`first ${name}`);
  expect(costs(reader, "get")).toEqual({ calls: 0, trips: 8 });
  expect(reader.session.events.shortcutHits).toBe(4);
  // It is known from then on.
  for (const name of names) await reader.get(name);
  expect(costs(reader, "get")).toEqual({ calls: 0, trips: 12 });
});

test("nothing is published before it is acknowledged", async () => {
  const world = new World();
  const [writer, reader] = [await world.client(), await world.client()];
  const cell = reader.session.shortcuts.cell(toKey("key"));
  const write = writer.stepWrite("key", "value");
  let rounds = 0;
  while (!(await write.advance(1))) {
    rounds += 1;
    await writer.run(publishShortcuts);
    expect(await world.word(cell)).toBe(0n);
  }
  expect(rounds).toBeGreaterThan(3);
  await writer.run(publishShortcuts);
  expect(await world.word(cell)).toBe(await world.head("key"));
});

test("an old version's shortcut leads on to the latest one", async () => {
  const { world, writer, reader, cell } = await twoClients(["key"]);
  const first = await world.word(cell("key"));
  for (let i = 0; i < 3; i += 1) await writer.put("key", `next ${i}`);
  expect(await world.word(cell("key"))).toBe(first);
  expect(await reader.get("key")).toBe("next 2");
  expect(costs(reader, "get").calls).toBe(0);
});

test("whoever frees a version leads the key's shortcut past it", async () => {
  const { world, writer, reader, cell } = await twoClients(["key"]);
  for (let i = 0; i < 3; i += 1) await writer.put("key", `next ${i}`);
  await writer.run(giveEverythingBack);
  const [tail] = await world.chain(writer, "key");
  expect(await world.word(cell("key"))).toBe(tail);
  expect(await reader.get("key")).toBe("next 2");
  expect(costs(reader, "get").calls).toBe(0);
});

test("a shortcut that is wrong in any way costs a call, never the answer", async () => {
  const { world, writer, reader, lead } = await twoClients(["key", "other"]);
  const head = (await world.head("key")) as Pointer;
  const other = (await world.head("other")) as Pointer;
  const nowhere = pointerTo(addressOf(4000, 0), 1);
  const words: [word: bigint, calls: number][] = [
    [0n, 1],
    [other, 1], // Another key's.
    [head + (1n << 40n), 1], // Another life of the buffer.
    [sealOf(head), 1], // No pointer.
    [nowhere, 2], // In a chunk that there is not: the chunk table is asked for, too.
    [2n ** 64n - 1n, 1],
  ];
  for (const [word, calls] of words) {
    const fresh = await world.client();
    await lead("key", word);
    expect(await fresh.get("key")).toBe("first key");
    expect(costs(fresh, "get").calls).toBe(calls);
    expect(fresh.session.events.shortcutHits).toBe(0);
  }
  expect(await reader.get("nothing")).toBeUndefined();
  await writer.put("key", "second");
  expect(await (await world.client()).get("key")).toBe("second");
});

test("a deleted key's shortcut answers nothing, nor that of its earlier life", async () => {
  const { world, writer, reader, cell, lead } = await twoClients(["key"]);
  const first = await world.word(cell("key"));
  await writer.delete("key");
  expect(await reader.get("key")).toBeUndefined();
  await writer.put("key", "reborn");
  await lead("key", first);
  expect(await (await world.client()).get("key")).toBe("reborn");
});

test("a new key is not looked for by shortcut; one whose cursor is stale is", async () => {
  const { world, writer, reader } = await twoClients(["key"]);
  await reader.put("warm", "value");
  const cold = costs(reader, "put");
  await reader.put("new", "value");
  // WRITE the version, mark the head; what does not exist and the creation are calls.
  expect(costs(reader, "put")).toEqual({ calls: cold.calls + 2, trips: cold.trips + 2 });
  await reader.get("key");
  for (let i = 0; i < 5; i += 1) await writer.put("key", `next ${i}`);
  await writer.run(giveEverythingBack);
  // The buffer behind the reader's cursor is written anew.
  const old = reader.session.cursors.pointer(reader.session.cursors.find(toKey("key")));
  const self = () => world.word(addressIn(old) + bufferFields.self);
  for (let i = 0; (await self()) === old; i += 1) await writer.put(`filler ${i}`, "value");
  await writer.run(publishShortcuts);
  const before = costs(reader, "put");
  await reader.put("key", "mine");
  expect(costs(reader, "put").calls).toBe(before.calls);
  expect(await (await world.client()).get("key")).toBe("mine");
});

test("a long chain is left by the shortcut, which need not be the latest version's", async () => {
  const { writer, reader } = await twoClients(["key"]);
  await reader.get("key");
  for (let i = 1; i < 1000; i += 1) await writer.put("key", `next ${i}`);
  await writer.run(publishShortcuts);
  await writer.put("key", "last");
  const before = costs(reader, "get");
  expect(await reader.get("key")).toBe("last");
  const { calls, trips } = costs(reader, "get");
  expect(calls).toBe(before.calls);
  // The cursor's version, four hops, the cell and its version, and what was put since it was led.
  expect(trips - before.trips).toBeLessThan(20);
  expect(reader.session.events.longestWalk).toBeLessThan(16);
});

test("a shortcut that leads back is not followed from a long chain", async () => {
  const { world, writer, reader, cell, lead } = await twoClients(["key"]);
  const first = await world.word(cell("key"));
  await reader.get("key");
  for (let i = 1; i <= 100; i += 1) await writer.put("key", `next ${i}`);
  await writer.run(publishShortcuts);
  await lead("key", first);
  expect(await reader.get("key")).toBe("next 100");
  expect(reader.session.events.longestWalk).toBe(100);
});

test("a damaged link that leads behind the end of its chunk is said to be damaged", async () => {
  const { world, reader } = await twoClients(["key"]);
  const head = (await world.head("key")) as Pointer;
  const beyond = pointerTo(addressOf(chunkOf(addressIn(head)), 2 * chunkBytes), 1);
  await world.setWord(addressIn(head) + bufferFields.link, beyond);
  for (const client of [reader, await world.client()]) {
    await expect(client.get("key")).rejects.toThrow(/PDPM_CORRUPT.*"key"/);
  }
});
