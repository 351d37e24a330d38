// An insert that needs two cells at once, of a slot and of an overflow bucket, in a store with
// space for one more chunk. It found one, had to let go of it for want of the other, and took the
// chunk back and forth between the two: without end, each time with a new chunk number. Now it
// ends.

import { toKey } from "@pdpm/kv";
import { bucketEntries } from "@pdpm/layout";
import { expect, test } from "vitest";
import { World } from "./contract-scene.ts";
import type { DirectBackend } from "./direct-backend.ts";

/** A full home bucket; beside its values, of `bytes` bytes, one chunk that is empty. */
async function fullBucket(
  bytes: number,
): Promise<{ world: World; client: DirectBackend; names: string[] }> {
  const world = new World();
  const client = world.client(3);
  const names = world.neighbours(client, bucketEntries + 1);
  await world.put(client, "passing", "p".repeat(30_000));
  for (const name of names.slice(0, bucketEntries)) {
    await world.put(client, name, "v".repeat(bytes));
  }
  await world.delete(client, "passing");
  expect(client.session.events.chunksCut).toBe(2);
  return { world, client, names };
}

test("a slot and a bucket do not take the last chunk from each other without end", async () => {
  const { world, client, names } = await fullBucket(100);
  const last = toKey(names[bucketEntries] as string);
  const put = Promise.resolve(client.put(last, Buffer.alloc(5000), undefined, {}));
  await expect(put).rejects.toMatchObject({ code: "PDPM_NO_SPACE", outcome: "not-applied" });
  expect(client.session.events.chunksCut).toBeLessThanOrEqual(4);
  expect(await world.wrong(client)).toEqual([]);
  expect((await world.audit()).problems).toEqual([]);
  // What it left fits the next one, of a size that has room.
  await world.put(client, names[bucketEntries] as string, "v".repeat(100));
  expect(await world.wrong(client)).toEqual([]);
});

test("the bucket gets the chunk, and the value a larger cell", async () => {
  const { world, client, names } = await fullBucket(5000);
  await world.put(client, names[bucketEntries] as string, "small");
  expect(client.session.events.chunksCut).toBeLessThanOrEqual(5);
  expect(await world.wrong(client)).toEqual([]);
  expect((await world.audit()).problems).toEqual([]);
});
