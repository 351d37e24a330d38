// Cleaning: what was superseded is wiped before it is free, whatever becomes of the replies.

import { PdpmError, Prng } from "@pdpm/base";
import { headMarkOf } from "@pdpm/layout";
import { expect, test } from "vitest";
import { cleanAll } from "./clean.ts";
import { audit, validCells } from "./contract-audit.ts";
import { changeIn, World } from "./contract-scene.ts";
import { staleMost } from "./stale-queue.ts";

test("superseded cells are wiped before the service hears of it", async () => {
  const world = new World();
  await world.start();
  const client = await world.client();
  let cleaned = 0;
  world.hook = async ({ request }) => {
    if (changeIn(request) !== "clean") return;
    cleaned += 1;
    const { change } = request as { change: { cells: { stale: readonly bigint[] }[] } };
    const valid = new Set((await validCells(world)).map(({ pointer }) => headMarkOf(pointer)));
    for (const pointer of change.cells.flatMap(({ stale }) => stale)) {
      expect(valid.has(headMarkOf(pointer))).toBe(false);
    }
  };
  for (let i = 0; i < 600; i += 1) await world.put(client, `key ${i % 7}`, `${i}`);
  await client.stats();
  expect(cleaned).toBeGreaterThan(0);
  expect(await audit(world)).toEqual([]);
  await world.close();
});

test("cells that somebody freed already are left alone", async () => {
  const world = new World();
  const host = await world.start();
  const client = await world.client();
  host.housekeeping.end();
  for (let i = 0; i < 4; i += 1) await world.put(client, "k", `${i}`);
  const { stale } = await world.lookup("k");
  expect(stale).toHaveLength(3);
  const [first] = stale as [bigint];
  await world.change({ do: "clean", cells: [{ key: Buffer.from("k"), stale: [first] }] });
  expect(await world.run(cleanAll)).toBe(true);
  expect((await world.lookup("k")).stale).toEqual([]);
  expect(host.coordinator.session.stale.count).toBe(0);
  await world.close();
  expect((await audit(world)).filter(({ text }) => !text.startsWith("a repair"))).toEqual([]);
});

test("commits that fail, and replies that are lost, change nothing about it", async () => {
  const prng = new Prng("lost replies");
  const fail = (chance: number) => (): void => {
    if (prng.chance(chance))
      throw new PdpmError("PDPM_UNAVAILABLE", "lost", { outcome: "unknown" });
  };
  const world = new World({
    faults: {
      conflicts: { prng, chance: 0.1 },
      beforeCommit: fail(0.05),
      afterCommit: fail(0.1),
    },
  });
  await world.start();
  const client = await world.client();
  const last = new Map<string, string>();
  const work = Array.from({ length: 5 }, async (_, i) => {
    const key = `key ${i}`;
    for (let j = 0; j < 40; j += 1) {
      const version = await world.put(client, key, `${j}`);
      if (j % 7 === 0) expect(await client.delete(key as never, undefined, {})).toBe(version);
      else last.set(key, `${j}`);
    }
  });
  await Promise.all(work);
  for (const [key, value] of last) expect(await world.get(client, key)).toBe(value);
  await client.stats();
  expect(await audit(world)).toEqual([]);
  await world.close();
  expect(await audit(world)).toEqual([]);
});

test("writers are held back while too much waits to be cleaned", async () => {
  const world = new World();
  const host = await world.start();
  const client = await world.client();
  host.housekeeping.end();
  await world.put(client, "k", "v");
  const { stale } = host.coordinator.session;
  // As many as the bound, of a key that nobody knows: the service has none of them.
  const { head } = await world.lookup("k");
  const ghosts = Array.from(
    { length: staleMost },
    (_, i) => (head as bigint) + (BigInt(i + 1) << 40n),
  );
  stale.add("ghost" as never, ghosts);
  await world.put(client, "k", "w");
  expect(stale.count).toBe(1);
  expect(await world.get(client, "k")).toBe("w");
  world.kill();
});
