// What survives a power failure: in a store that promises it every write and every CAS is flushed
// in its own round, behind it; in one that promises less nothing is ever flushed.

import { toKey } from "@pdpm/kv";
import { type Round, Verb } from "@pdpm/verbs";
import { expect, test } from "vitest";
import { World } from "./contract-scene.ts";

/** Posts of a round whose bytes no flush behind them covers. */
function unflushed(round: Round): number {
  return round.filter(({ verb, offset, bytes }, i) => {
    if (verb !== Verb.write && verb !== Verb.compareAndSwap) return false;
    return !round
      .slice(i + 1)
      .some(
        (post) =>
          post.verb === Verb.flush &&
          post.offset <= offset &&
          offset + bytes <= post.offset + post.bytes,
      );
  }).length;
}

/**
 * Every kind of write: inserts, updates, deletes, cleaning, a chunk for another size, a takeover.
 */
async function work(world: World): Promise<void> {
  await world.start();
  const client = await world.client();
  for (let i = 0; i < 100; i += 1) await world.put(client, `key ${i % 50}`, `${i}`);
  for (let i = 0; i < 40; i += 1) await client.delete(toKey(`key ${i}`), undefined, {});
  await client.stats();
  while ((await world.put(client, `more ${world.prng.u32()}`, "v").catch(() => 0)) > 0);
  for await (const page of client.keys({})) {
    await Promise.all(page.slice(0, 250).map((key) => client.delete(key, undefined, {})));
  }
  await world.put(client, "large", "x".repeat(8_000));
  world.kill();
  const host = await world.start();
  while (host.coordinator.session.sweep.isUnderWay) {
    host.housekeeping.wake();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await world.close();
}

test.each(["power", "process"] as const)("a store that promises %s", async (durability) => {
  const world = new World({ chunkBytes: 2 ** 14, chunksMost: 4, nodeCount: 1, durability });
  const verbs = { writes: 0, swaps: 0, flushes: 0, unflushed: 0 };
  world.hook = ({ round = [] }) => {
    const count = (wanted: Verb): number => round.filter(({ verb }) => verb === wanted).length;
    verbs.writes += count(Verb.write);
    verbs.swaps += count(Verb.compareAndSwap);
    verbs.flushes += count(Verb.flush);
    verbs.unflushed += unflushed(round);
  };
  await work(world);
  expect(verbs.writes).toBeGreaterThan(100);
  expect(verbs.swaps).toBeGreaterThan(100);
  if (durability === "process") expect(verbs.flushes).toBe(0);
  else expect(verbs.unflushed).toBe(0);
});
