// Link-and-persist (H7): a link or seal that its writer left pending, because it died, is flushed
// and cleared by whoever meets it, on every path, before that one is answered.

import { toKey } from "@pdpm/kv";
import { addressIn, bufferFields, type Pointer, withPending } from "@pdpm/layout";
import { expect, test } from "vitest";
import { type Client, World } from "./contract-scene.ts";
import { sweepKeys } from "./retire.ts";

/**
 * Two versions of "key": `knows` has a cursor to the first, and the link between them, or the seal
 * of the second, is pending. Says how often its word was flushed since.
 */
async function leftPending(what: "link" | "seal") {
  const world = new World();
  const [writer, knows] = [await world.client(), await world.client()];
  await writer.put("key", "old");
  expect(await knows.get("key")).toBe("old");
  await writer.put("key", "new");
  const [first, second] = (await world.chain(writer, "key")) as [Pointer, Pointer];
  if (what === "seal") await writer.delete("key");
  const at = addressIn(what === "link" ? first : second) + bufferFields.link;
  const settled = await world.word(at);
  await world.setWord(at, withPending(settled));
  const offset = await world.offsetOf(at);
  let flushes = 0;
  world.memory.flush = (from, bytes) => {
    if (from <= offset && offset + 8 <= from + bytes) flushes += 1;
    return undefined;
  };
  const isSettled = async (): Promise<boolean> => flushes > 0 && (await world.word(at)) === settled;
  return { world, knows, isSettled };
}

const paths: Readonly<Record<string, (client: Client) => Promise<unknown>>> = {
  get: (client) => client.get("key"),
  put: async (client) => client.put("key", "third"),
  delete: (client) => client.delete("key"),
  sweep: (client) => client.run((context) => sweepKeys(context, [toKey("key")])),
};

for (const [name, act] of Object.entries(paths)) {
  test(`a ${name} that meets a pending link makes it durable first, with a cursor and without`, async () => {
    for (const isKnown of [true, false]) {
      const { world, knows, isSettled } = await leftPending("link");
      const client = isKnown ? knows : await world.client();
      expect(await isSettled()).toBe(false);
      const result = await act(client);
      if (name === "get") expect(result).toBe("new");
      expect(await isSettled(), isKnown ? "with a cursor" : "without").toBe(true);
    }
  });
}

test("a get that meets a pending seal makes it durable before it says that the key is missing", async () => {
  const { world, knows, isSettled } = await leftPending("seal");
  expect(await knows.get("key")).toBeUndefined();
  expect(await isSettled()).toBe(true);
  const again = await leftPending("seal");
  expect(await (await again.world.client()).get("key")).toBeUndefined();
  expect(await again.isSettled()).toBe(true);
  expect(await world.keys()).toHaveLength(1);
});
