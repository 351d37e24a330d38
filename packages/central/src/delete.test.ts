// Deletes: what is wiped when, and what a coordinator that dies in between leaves to the next one.

import { toKey } from "@pdpm/kv";
import { Verb } from "@pdpm/verbs";
import { expect, test } from "vitest";
import { cleanSome } from "./clean.ts";
import { audit, validCells } from "./contract-audit.ts";
import { changeIn, Pause, World } from "./contract-scene.ts";

test("every cell of a key is wiped before the directory forgets it", async () => {
  const world = new World();
  const host = await world.start();
  const client = await world.client();
  const name = "k";
  const others = async (): Promise<string[]> =>
    (await validCells(world)).filter(({ key }) => key === name).map(({ value }) => value);
  host.housekeeping.end(); // Superseded cells stay.
  for (let i = 0; i < 5; i += 1) await world.put(client, name, `${i}`);
  expect((await others()).sort()).toEqual(["0", "1", "2", "3", "4"]);
  const seen: string[] = [];
  world.hook = async ({ round, request }) => {
    const isWipe = round?.[0]?.verb === Verb.compareAndSwap;
    if (isWipe || changeIn(request) === "forget") seen.push((await others()).sort().join(" "));
  };
  expect(await client.delete(toKey(name), undefined, {})).toBe(5);
  // First the superseded ones; then the key's own; then the directory.
  expect(seen.map((cells) => cells.split(" ").length)).toEqual([5, 5, 1, 1].slice(4 - seen.length));
  expect(seen.at(-1)).toBe("");
  expect(seen.at(-2)).toBe("4");
  await world.close();
  expect(await audit(world)).toEqual([]);
});

test("a delete that stopped between wipe and forget is finished before anybody answers", async () => {
  for (const how of ["get", "put", "delete", "keys"] as const) {
    const world = new World();
    await world.start();
    const client = await world.client();
    await world.put(client, "k", "v");
    const pause = new Pause();
    world.hook = ({ request }) => (changeIn(request) === "forget" ? pause.at() : undefined);
    const deleting = client.delete(toKey("k"), undefined, {}).catch((error: Error) => error);
    await pause.reached;
    world.hook = undefined;
    world.kill();
    pause.end();
    const next = await world.start();
    expect(String(await deleting)).toContain("PDPM_UNAVAILABLE");
    expect((await world.lookup("k")).head).not.toBeNull();
    if (how === "get") expect(await world.get(client, "k")).toBeUndefined();
    if (how === "put") expect(await world.put(client, "k", "new")).toBe(2);
    if (how === "delete") expect(await client.delete(toKey("k"), undefined, {})).toBeUndefined();
    if (how === "keys") {
      // Nobody was told yet; once somebody was, it does not come.
      await world.get(client, "k");
      for await (const page of client.keys({})) expect(page).toEqual([]);
    }
    expect((await world.lookup("k")).head === null).toBe(how !== "put");
    expect(next.coordinator.session.events.forgotten).toBe(1);
    await client.stats();
    expect(await audit(world)).toEqual([]);
    await world.close();
  }
});

test("a delete is not finished while a write looks at the key's cell", async () => {
  const world = new World();
  await world.start();
  const client = await world.client();
  await world.put(client, "k", "v");
  const dying = new Pause();
  world.hook = ({ request }) => (changeIn(request) === "forget" ? dying.at() : undefined);
  const deleting = client.delete(toKey("k"), undefined, {}).catch((error: Error) => error);
  await dying.reached;
  world.hook = undefined;
  world.kill();
  dying.end();
  const host = await world.start();
  host.housekeeping.end();
  await deleting;
  const pause = new Pause();
  world.replyHook = ({ request }) => {
    if ((request as { readonly ask?: string }).ask !== "lookup") return undefined;
    world.replyHook = undefined;
    return pause.at();
  };
  const putting = world.put(client, "k", "new");
  await pause.reached;
  // Freed now, the cell could be another key's when the write reads it.
  const reading = world.get(client, "k");
  while (host.coordinator.session.events.lockWaits === 0) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect((await world.lookup("k")).head).not.toBeNull();
  pause.end();
  expect(await putting).toBe(2);
  expect([undefined, "new"]).toContain(await reading);
  await client.stats();
  expect(await audit(world)).toEqual([]);
  await world.close();
});

test("a reader waits for a delete, and finds nothing", async () => {
  const world = new World();
  const host = await world.start();
  const client = await world.client();
  await world.put(client, "k", "v");
  const pause = new Pause();
  world.hook = ({ request }) => (changeIn(request) === "forget" ? pause.at() : undefined);
  const deleting = client.delete(toKey("k"), undefined, {});
  await pause.reached;
  const reading = world.get(client, "k");
  while (host.coordinator.session.events.lockWaits === 0) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  pause.end();
  expect(await deleting).toBe(1);
  expect(await reading).toBeUndefined();
  expect(host.coordinator.session.events.recoveries).toBe(0);
  expect(host.coordinator.session.locks.size).toBe(0);
  await world.close();
});

test("a delete waits for cells of its key that are being freed", async () => {
  const world = new World();
  const host = await world.start();
  const client = await world.client();
  host.housekeeping.end();
  for (let i = 0; i < 3; i += 1) await world.put(client, "k", `${i}`);
  const pause = new Pause();
  world.hook = ({ request }) => (changeIn(request) === "clean" ? pause.at() : undefined);
  const cleaning = client.stats();
  await pause.reached;
  const deleting = client.delete(toKey("k"), undefined, {});
  for (let i = 0; i < 20; i += 1) await new Promise((resolve) => setImmediate(resolve));
  expect((await world.lookup("k")).stale).toHaveLength(2);
  world.hook = undefined;
  pause.end();
  expect(await deleting).toBe(3);
  await cleaning;
  await world.close();
  expect(await audit(world)).toEqual([]);
});

test("cells of a key that is being deleted are not freed by anybody else", async () => {
  const world = new World();
  const host = await world.start();
  const client = await world.client();
  host.housekeeping.end();
  for (let i = 0; i < 3; i += 1) await world.put(client, "k", `${i}`);
  await world.put(client, "other", "v");
  await world.put(client, "other", "w");
  const pause = new Pause();
  world.hook = ({ request }) => (changeIn(request) === "forget" ? pause.at() : undefined);
  const deleting = client.delete(toKey("k"), undefined, {});
  await pause.reached;
  world.hook = undefined;
  await world.run(cleanSome);
  expect((await world.lookup("other")).stale).toHaveLength(0);
  expect((await world.lookup("k")).stale).toHaveLength(2);
  pause.end();
  expect(await deleting).toBe(3);
  expect(host.coordinator.session.stale.count).toBe(0);
  await world.close();
  expect(await audit(world)).toEqual([]);
});
