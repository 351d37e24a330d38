// Leases: what is leased is in the pool, or given back; nothing is named twice.

import { PdpmError } from "@pdpm/base";
import {
  addressIn,
  addressOf,
  bufferBytes,
  bufferFields,
  gcVersionMost,
  pointerTo,
} from "@pdpm/layout";
import { expect, test } from "vitest";
import { World } from "./contract-scene.ts";
import { giveBackSpans } from "./give-back.ts";
import { handBack } from "./hand-back.ts";
import { refill } from "./refill.ts";

const sizeClass = 0;
const told = new PdpmError("PDPM_TIMEOUT", "the deadline passed");

test("a refill that is told to stop gives back what it has not looked at", async () => {
  for (let rounds = 1; ; rounds += 1) {
    const world = new World();
    const client = await world.client();
    const stepping = client.step((context) => refill(context, sizeClass));
    if (await stepping.advance(rounds)) break;
    expect(() => stepping.tell(told)).toThrow(told);
    expect(client.session.pool.refilling.size).toBe(0);
    await client.run((context) => handBack(context, () => true));
    expect(await world.count()).toMatchObject({ leased: 0, taken: 0 });
  }
});

test("spans whose giving back was refused are named again, those in doubt are not", async () => {
  const world = new World();
  const client = await world.client();
  await client.run((context) => refill(context, sizeClass));
  client.session.pool.withdraw(() => true);
  const fail = async (outcome: "not-applied" | "unknown"): Promise<void> => {
    world.before = async (_client, { do: wanted }) => {
      if (wanted === "giveBack") throw new PdpmError("PDPM_CORRUPT", "no", { outcome });
    };
    await expect(client.run(giveBackSpans)).rejects.toThrow("PDPM_CORRUPT");
    world.before = undefined;
  };
  await fail("not-applied");
  expect(client.session.pool.hasSpansToReport).toBe(true);
  await fail("unknown");
  expect(client.session.pool.hasSpansToReport).toBe(false);
  expect((await world.leases(client.id)).length).toBe(1);
});

test("a buffer in its last life is used once more, and then it is spent", async () => {
  const world = new World();
  const client = await world.client();
  await client.run((context) => refill(context, sizeClass));
  const [part] = await world.leases(client.id);
  const chunk = part?.chunk ?? 0;
  await client.run((context) => handBack(context, () => true));
  const last = addressOf(chunk, 0);
  const spent = addressOf(chunk, bufferBytes(sizeClass));
  const damaged = addressOf(chunk, 2 * bufferBytes(sizeClass));
  await world.setWord(last + bufferFields.self, pointerTo(last, gcVersionMost - 1));
  await world.setWord(spent + bufferFields.self, pointerTo(spent, gcVersionMost));
  await world.setWord(damaged + bufferFields.self, 12345n);
  // The span waits behind the others of its class.
  while (!(await world.leases(client.id)).some(({ span }) => span === 0)) {
    await client.run((context) => refill(context, sizeClass));
  }
  const pointers = [];
  for (let one = client.session.pool.take(sizeClass); one !== undefined; ) {
    pointers.push(one);
    one = client.session.pool.take(sizeClass);
  }
  expect(pointers).toContain(pointerTo(last, gcVersionMost));
  const addresses = pointers.map((pointer) => addressIn(pointer));
  for (const not of [spent, damaged]) expect(addresses).not.toContain(not);
  for (const pointer of pointers) client.session.pool.give(sizeClass, pointer);
  await client.run((context) => handBack(context, () => true));
  // The damaged one is nobody's: it counts as taken, and fsck shows it.
  expect(await world.count()).toMatchObject({ leased: 0, spent: 2, taken: 1 });
});
