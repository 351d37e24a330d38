// Inserts that come too late: between the look at the directory and `create` the key lived, was
// deleted and forgotten, so that the floor of its commit numbers is higher than was thought.
//
// A story: puts that were combined into one insert took several numbers, but only the last of them
// was compared with the floor. Two writes of one key were acknowledged with one version.

import { isPdpmError } from "@pdpm/base";
import { toKey, WriteBatch, WriteRequest } from "@pdpm/kv";
import type { MetadataRequest } from "@pdpm/metadata-server/protocol";
import { type Post, type Round, Verb } from "@pdpm/verbs";
import { expect, test } from "vitest";
import { type Client, World } from "./contract-scene.ts";
import { forgetChain } from "./forget.ts";
import { writeKey } from "./write-path.ts";

function isCreate(round: Round): boolean {
  return round.some((post: Post) => {
    if (post.verb !== Verb.call) return false;
    const request = post.request as MetadataRequest;
    return "change" in request && request.change.do === "create";
  });
}

/** Runs a batch of puts; before its first `create` is posted `meanwhile` happens. */
async function putLate(
  client: Client,
  name: string,
  requests: readonly WriteRequest[],
  meanwhile: () => Promise<void>,
): Promise<(number | string | undefined)[]> {
  const operation = client.runner.operation("put");
  const batch = new WriteBatch(operation, requests);
  const protocol = writeKey({ session: client.session, operation }, toKey(name), batch);
  let isLate = false;
  let step = protocol.next();
  while (!step.done) {
    if (isCreate(step.value) && !isLate) {
      isLate = true;
      await meanwhile();
    }
    operation.posting(step.value);
    const replies = await client.router.post(step.value);
    operation.answered(step.value, replies);
    step = protocol.next(replies);
  }
  expect(isLate).toBe(true);
  return requests.map((request) => {
    try {
      return batch.resultOf(request);
    } catch (error) {
      return isPdpmError(error) ? error.code : String(error);
    }
  });
}

/** A life of the key, from its first version to its being forgotten. */
async function liveOnce(client: Client, name: string): Promise<void> {
  expect(await client.put(name, "other")).toBe(1);
  await client.delete(name);
  await client.run((context) => forgetChain(context, toKey(name)));
}

const bytes = (text: string): Uint8Array => Buffer.from(text);

test("every number of a combined insert is above those of the key's earlier lives", async () => {
  const world = new World();
  const [one, other] = [await world.client(), await world.client()];
  const requests = ["a", "b"].map((text) => new WriteRequest(bytes(text), undefined));
  const versions = await putLate(one, "key", requests, () => liveOnce(other, "key"));
  expect(versions).toEqual([2, 3]);
  expect(await other.get("key")).toBe("b");
});

test("with other numbers another condition may hold: the value is that of a put that succeeded", async () => {
  const world = new World();
  const [one, other] = [await world.client(), await world.client()];
  const requests = [new WriteRequest(bytes("a"), undefined), new WriteRequest(bytes("b"), 1)];
  const versions = await putLate(one, "key", requests, () => liveOnce(other, "key"));
  expect(versions).toEqual([2, "PDPM_CONFLICT"]);
  expect(await other.get("key")).toBe("a");
});
