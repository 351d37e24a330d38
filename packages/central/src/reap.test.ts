// What a dead coordinator leaves: cells that it wrote and never mapped, torn bytes, and live cells
// that were damaged since. Nothing leaks, and no live cell is given to anybody else.

import { addressIn, bufferFields } from "@pdpm/layout";
import { Verb } from "@pdpm/verbs";
import { expect, test } from "vitest";
import { audit, validCells } from "./contract-audit.ts";
import { failureOf } from "./contract-failures.ts";
import { changeIn, Pause, placeOf, World } from "./contract-scene.ts";
import { handBack } from "./hand-back.ts";

async function sweptBy(world: World): Promise<void> {
  const session = world.host?.coordinator.session;
  while (session?.sweep.isUnderWay) {
    world.host?.housekeeping.wake();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test("a cell that was written and never mapped is wiped, then free", async () => {
  const world = new World();
  await world.start();
  const client = await world.client();
  await world.put(client, "k", "old");
  const pause = new Pause();
  world.hook = ({ request }) => (changeIn(request) === "supersede" ? pause.at() : undefined);
  world.put(client, "k", "never").catch(() => undefined);
  await pause.reached;
  world.hook = undefined;
  expect((await validCells(world)).map(({ value }) => value).sort()).toEqual(["never", "old"]);
  world.kill();
  pause.end();
  await world.start();
  // Before it serves.
  expect((await validCells(world)).map(({ value }) => value)).toEqual(["old"]);
  expect(world.buried).toEqual([1]);
  expect(await world.get(client, "k")).toBe("old");
  await client.stats();
  expect(await audit(world)).toEqual([]);
  await world.close();
});

test("a wipe that its coordinator did not flush is flushed before the cell is free", async () => {
  const world = new World();
  await world.start();
  const client = await world.client();
  await world.put(client, "k", "old");
  const pause = new Pause();
  world.hook = ({ request }) => (changeIn(request) === "supersede" ? pause.at() : undefined);
  world.put(client, "k", "never").catch(() => undefined);
  await pause.reached;
  const never = (await validCells(world)).find(({ value }) => value === "never");
  const { memory, offset } = await placeOf(world, addressIn(never?.pointer as bigint));
  const at = offset + bufferFields.headMark;
  world.kill();
  memory.write(at, new Uint8Array(8));
  const seen: string[] = [];
  world.hook = ({ round = [], request }) => {
    const isFlush = ({ verb, offset: from, bytes }: (typeof round)[number]): boolean =>
      verb === Verb.flush && from <= at && at + 8 <= from + bytes;
    if (round.some(isFlush)) seen.push("flush");
    if (changeIn(request) === "settle") seen.push("settle");
  };
  pause.end();
  await world.start();
  expect(seen).toEqual(["flush", "settle"]);
  await world.close();
});

test("torn bytes are free after every key was looked at", async () => {
  const world = new World();
  const host = await world.start();
  const client = await world.client();
  for (let i = 0; i < 20; i += 1) await world.put(client, `key ${i}`, "v");
  const { head } = await world.lookup("key 3");
  const { memory, offset } = await placeOf(world, addressIn(head as bigint));
  // Its neighbours in hand were never written; this is what dying in the middle of one leaves.
  const before = new Uint8Array(128);
  memory.read(offset, before);
  const size = 128;
  memory.write(offset + 40 * size, before.subarray(0, 24));
  expect(host.coordinator.session.sweep.isUnderWay).toBe(false);
  world.kill();
  const next = await world.start();
  expect(next.coordinator.session.sweep.owing.size).toBe(1);
  expect(world.buried).toEqual([]);
  await sweptBy(world);
  expect(world.buried).toEqual([1]);
  await client.stats();
  expect(await audit(world)).toEqual([]);
  await world.close();
});

test("a live cell that was damaged is not given to another key", async () => {
  const world = new World();
  await world.start();
  const client = await world.client();
  for (let i = 0; i < 20; i += 1) await world.put(client, `key ${i}`, "v");
  const { head } = await world.lookup("key 3");
  const { memory, offset } = await placeOf(world, addressIn(head as bigint));
  memory.write(offset + 24, Uint8Array.of(99));
  world.kill();
  await world.start();
  await sweptBy(world);
  expect(world.buried).toEqual([1]);
  for (let i = 0; i < 600; i += 1) await world.put(client, `other ${i}`, "w");
  await client.stats();
  const problems = await audit(world);
  expect(problems).toHaveLength(1);
  expect(problems[0]?.text).toContain("key 3");
  await failureOf(world.get(client, "key 3"), "PDPM_CORRUPT");
  await world.close();
});

test("superseded cells of any key that a dead coordinator left are freed in the background", async () => {
  const world = new World({ mappingMost: 2 });
  const host = await world.start();
  const client = await world.client();
  host.housekeeping.end();
  for (let i = 0; i < 600; i += 1) await world.put(client, `key ${i % 300}`, `${i}`);
  expect((await world.lookup("key 7")).stale).toHaveLength(1);
  world.kill();
  const next = await world.start();
  expect(next.coordinator.session.sweep.isUnderWay).toBe(true);
  await sweptBy(world);
  await client.stats();
  for (let i = 0; i < 300; i += 1) expect((await world.lookup(`key ${i}`)).stale).toEqual([]);
  expect(await audit(world)).toEqual([]);
  await world.close();
});

test("superseded cells that a look-up shows are freed without the sweep", async () => {
  const world = new World();
  const host = await world.start();
  const client = await world.client();
  host.housekeeping.end();
  for (const key of ["a", "b", "c"]) {
    for (let i = 0; i < 3; i += 1) await world.put(client, key, `${i}`);
  }
  // With nothing leased to it, nothing but a look-up tells of them.
  await world.run((context) => handBack(context, () => true));
  world.kill();
  const next = await world.start();
  next.housekeeping.end();
  expect(next.coordinator.session.stale.count).toBe(0);
  await world.get(client, "a");
  await world.put(client, "b", "new");
  expect(next.coordinator.session.stale.count).toBe(2 + 3);
  await client.stats();
  expect((await world.lookup("a")).stale).toEqual([]);
  expect((await world.lookup("b")).stale).toEqual([]);
  await world.close();
});

test("one who lives keeps the office", async () => {
  const world = new World();
  await world.start();
  const client = await world.client();
  await world.put(client, "k", "v");
  const { host } = world;
  await failureOf(world.start(), "PDPM_IN_USE");
  world.host = host;
  await world.put(client, "k", "w");
  expect(await world.get(client, "k")).toBe("w");
  await world.close();
});

test("an idle coordinator buries who died beside it", async () => {
  const world = new World();
  const host = await world.start();
  const change = world.stranger();
  await change({ do: "enter", pid: 9, kind: "file" });
  await change({ do: "lease", sizeClass: 0, buffers: 1 });
  expect((await world.service.handle({ ask: "clients" })).length).toBe(2);
  while ((await world.service.handle({ ask: "clients" })).length > 1) {
    host.housekeeping.wake();
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(world.buried).toEqual([2]);
  await world.close();
});

test("no verb of a client that is judged dead is applied after the next one serves", async () => {
  const world = new World();
  await world.start();
  const client = await world.client();
  await world.put(client, "k", "old");
  const pause = new Pause();
  world.hook = ({ round }) => (round?.[0]?.verb === Verb.write ? pause.at() : undefined);
  const late = world.put(client, "k", "late").catch((error: Error) => error);
  await pause.reached;
  world.hook = undefined;
  world.isolate();
  await world.start();
  pause.end();
  await world.put(client, "k", "new");
  expect((await validCells(world)).map(({ value }) => value)).not.toContain("late");
  expect(await world.get(client, "k")).toBe("new");
  await late;
  await world.close();
});
