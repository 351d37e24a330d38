// A reply that is lost: the buffer is in doubt until its chain says what became of it (H14), and
// until nothing that was lost can take effect any more.

import { PdpmError } from "@pdpm/base";
import { toKey } from "@pdpm/kv";
import { addressIn, chunkOf, type Pointer } from "@pdpm/layout";
import type { MetadataRequest } from "@pdpm/metadata-server/protocol";
import { Verb } from "@pdpm/verbs";
import { expect, test } from "vitest";
import { overtakeLost } from "./calls.ts";
import { collectAll } from "./collect.ts";
import { type Client, World } from "./contract-scene.ts";
import { settleDoubts } from "./doubts.ts";
import { giveEverythingBack } from "./hand-back.ts";
import { relocate } from "./relocate.ts";

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

/** The reply of every CAS on a link is lost, though it has its effect; until `mend` is called. */
function losingLinks({ router }: Client): () => void {
  const post = router.post.bind(router);
  router.post = (round) => {
    if (!round.some(({ verb }) => verb === Verb.compareAndSwap)) return post(round);
    const replies = post(round);
    return replies instanceof Promise
      ? replies.then(() => round.map(() => lost))
      : round.map(() => lost);
  };
  return () => {
    router.post = post;
  };
}

test("a link whose reply is lost: the buffer is in doubt, and found to be live", async () => {
  const world = new World();
  const client = await world.client();
  await client.put("key", "first");
  const mend = losingLinks(client);
  const put = async () => client.put("key", "second");
  await expect(put()).rejects.toMatchObject({ outcome: "unknown" });
  mend();
  expect(client.session.doubts.size).toBe(1);
  // Whatever it writes now, that buffer it does not write.
  for (let i = 0; i < 50; i += 1) await client.put(`other ${i}`, "value");
  expect(await client.get("key")).toBe("second");
  await client.run(settleDoubts);
  expect(client.session.doubts.size).toBe(0);
  await client.run(giveEverythingBack);
  // What it replaced nobody has reported.
  await client.run(collectAll);
  expect(await world.count()).toMatchObject({ taken: 51, leased: 0 });
});

test("a copy whose link's reply is lost is in doubt, too: it is the key's value", async () => {
  const world = new World();
  const client = await world.client();
  await client.put("key", "value");
  const [pointer] = (await world.chain(client, "key")) as [Pointer];
  const sizeClass = client.session.table.entry(chunkOf(addressIn(pointer)))?.sizeClass ?? 0;
  const mend = losingLinks(client);
  const move = client.run((context) => relocate(context, sizeClass, [addressIn(pointer)]));
  await expect(move).rejects.toThrow("PDPM_CORRUPT");
  mend();
  expect(client.session.doubts.size).toBe(1);
  for (let i = 0; i < 50; i += 1) await client.put(`other ${i}`, "else");
  expect(await client.get("key")).toBe("value");
  expect((await world.chain(client, "key")).length).toBe(2);
  await client.run(settleDoubts);
  await client.run(giveEverythingBack);
  await client.run(collectAll);
  expect(await client.get("key")).toBe("value");
  expect(await world.count()).toMatchObject({ taken: 51, leased: 0 });
});
