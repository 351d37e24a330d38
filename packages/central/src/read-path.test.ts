// Reads: the entry's lock, what a deposed coordinator says, and bytes that do not verify.

import { addressIn, bufferFields, bufferHeaderBytes } from "@pdpm/layout";
import { Verb } from "@pdpm/verbs";
import { expect, test } from "vitest";
import { audit } from "./contract-audit.ts";
import { failureOf } from "./contract-failures.ts";
import { Pause, placeOf, World } from "./contract-scene.ts";

test("a write is not acknowledged while a reader is in the cell that it replaces", async () => {
  const world = new World();
  const host = await world.start();
  const client = await world.client();
  await world.put(client, "k", "old");
  const pause = new Pause();
  world.hook = ({ round }) => (round?.[0]?.verb === Verb.read ? pause.at() : undefined);
  const reading = world.get(client, "k");
  await pause.reached;
  let isWritten = false;
  const writing = world.put(client, "k", "new").then(() => {
    isWritten = true;
  });
  while (host.coordinator.session.events.lockWaits === 0) {
    expect(isWritten, "the old cell may be freed and written anew under the reader").toBe(false);
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(isWritten).toBe(false);
  expect((await world.lookup("k")).stale).toHaveLength(1);
  await client.stats(); // Cleans everything that may be cleaned.
  expect((await world.lookup("k")).stale).toHaveLength(1);
  world.hook = undefined;
  pause.end();
  expect(await reading).toBe("old");
  await writing;
  expect(await world.get(client, "k")).toBe("new");
  await client.stats();
  expect(await audit(world)).toEqual([]);
  await world.close();
});

test("readers share an entry: none waits for another one's READ", async () => {
  const world = new World();
  await world.start();
  const client = await world.client();
  await world.put(client, "k", "v");
  const pause = new Pause();
  world.hook = ({ round }) => (round?.[0]?.verb === Verb.read ? pause.at() : undefined);
  const first = world.get(client, "k");
  await pause.reached;
  world.hook = undefined;
  expect(await world.get(client, "k")).toBe("v");
  pause.end();
  expect(await first).toBe("v");
  await world.close();
});

test.each([
  ["header", bufferFields.commitNumber],
  ["place and life", bufferFields.self],
  ["key", bufferHeaderBytes],
  ["value", bufferHeaderBytes + 8],
])("damage in the %s is an error that names the key", async (_what, offset) => {
  const world = new World();
  await world.start();
  const client = await world.client();
  await world.put(client, "k", "value");
  const { head } = await world.lookup("k");
  const place = await placeOf(world, addressIn(head ?? 0n));
  const byte = new Uint8Array(1);
  place.memory.read(place.offset + offset, byte);
  place.memory.write(place.offset + offset, Uint8Array.of((byte[0] ?? 0) ^ 1));
  for (const isKnown of [true, false]) {
    if (!isKnown) world.host?.coordinator.session.mapping.delete("k" as never);
    const error = await failureOf(world.get(client, "k"), "PDPM_CORRUPT");
    expect(error.message).toContain('"k"');
  }
  world.kill();
});

test("a coordinator that a memory node has fenced refuses, and says nothing", async () => {
  const world = new World();
  const old = await world.start();
  const client = await world.client();
  await world.put(client, "k", "old");
  world.isolate(); // It lives on, and does not know.
  await world.start();
  await world.put(client, "k", "new");
  const key = Buffer.from("k");
  expect(await old.handle({ op: "get", key, timeoutMs: null })).toEqual({ refused: true });
  expect(world.deposed).toEqual([1]);
  expect(await old.handle({ op: "hello" })).toEqual({ refused: true });
  expect(await world.get(client, "k")).toBe("new");
  await world.close();
});
