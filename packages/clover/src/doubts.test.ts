// A reply that is lost: the buffer is in doubt until its chain says what became of it (H14), and
// until nothing that was lost can take effect any more.

import { PdpmError } from "@pdpm/base";
import { toKey } from "@pdpm/kv";
import type { MetadataRequest } from "@pdpm/metadata-server/protocol";
import { expect, test } from "vitest";
import { overtakeLost } from "./calls.ts";
import { type Client, World } from "./contract-scene.ts";
import { settleDoubts } from "./doubts.ts";
import { giveEverythingBack } from "./hand-back.ts";

const lost = new PdpmError("PDPM_CORRUPT", "lost", { outcome: "unknown" });

function isCreate(request: MetadataRequest): boolean {
  return "change" in request && request.change.do === "create";
}

/** A client whose `create` of "key" was made, or not, and which has not heard of it. */
async function doubting(isMade: boolean): Promise<{ world: World; client: Client }> {
  const world = new World();
  const client = await world.client();
  await client.put("other", "value");
  if (isMade) {
    world.loses = (_client, request) => (isCreate(request) ? lost : undefined);
    await expect(client.put("key", "value")).rejects.toMatchObject({ outcome: "unknown" });
    world.loses = undefined;
  } else {
    const { router } = client;
    const post = router.post.bind(router);
    router.post = (round) =>
      round.some(({ request }) => request !== undefined && isCreate(request as MetadataRequest))
        ? [lost]
        : post(round);
    await expect(client.put("key", "value")).rejects.toMatchObject({ outcome: "unknown" });
    router.post = post;
  }
  expect(client.session.doubts.size).toBe(1);
  return { world, client };
}

test("a create that was made: the buffer is live", async () => {
  const { world, client } = await doubting(true);
  await client.run(settleDoubts);
  expect(client.session.doubts.size).toBe(0);
  expect(await client.get("key")).toBe("value");
  await client.run(giveEverythingBack);
  expect(await world.count()).toMatchObject({ taken: 2, leased: 0 });
});

test("a create that was not made is refused from now on, and the buffer is free", async () => {
  const { world, client } = await doubting(false);
  const [ticket] = client.session.slots.unanswered();
  const [doubt] = client.session.doubts.values();
  await client.run(settleDoubts);
  expect(client.session.doubts.size).toBe(0);
  const { pointer, key } = doubt as NonNullable<typeof doubt>;
  const change = { do: "create", key: Buffer.from(key), pointer, commitNumber: 1 } as const;
  await expect(
    world.service.handle({ ticket: ticket as NonNullable<typeof ticket>, change }),
  ).rejects.toThrow("PDPM_INVALID_ARGUMENT");
  await client.run(giveEverythingBack);
  expect(await world.count()).toMatchObject({ taken: 1, leased: 0 });
});

test("a buffer that was linked, superseded and freed meanwhile is free once, not twice", async () => {
  const { world, client } = await doubting(true);
  const other = await world.client();
  await other.put("key", "value 2");
  await other.run(giveEverythingBack);
  expect((await world.chain(other, "key")).length).toBe(1);
  await client.run(settleDoubts);
  await client.run(giveEverythingBack);
  expect(await world.count()).toMatchObject({ taken: 2, leased: 0 });
  expect(await client.get("key")).toBe("value 2");
});

test("a doubt that arises while others are settled waits for the next time", async () => {
  const { client } = await doubting(true);
  const stepping = client.step(settleDoubts);
  await stepping.advance(0);
  client.session.doubt(toKey("other"), 5n << 40n, 0);
  expect(await stepping.advance(100)).toBe(true);
  expect([...client.session.doubts.keys()]).toEqual([5n << 40n]);
});

test("a change under way is waited for: only its answer says that it comes no more", async () => {
  const world = new World();
  const client = await world.client();
  const ticket = client.session.slots.take();
  const overtaking = client.step(overtakeLost);
  expect(await overtaking.advance(10)).toBe(false);
  client.session.slots.give(ticket as NonNullable<typeof ticket>, true);
  expect(await overtaking.advance(10)).toBe(true);
});
