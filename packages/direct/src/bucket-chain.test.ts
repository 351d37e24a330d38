// The chain of a bucket, read without a lock: what it leads to may be given back, and its chunk
// retired, before it is read. That is no damage; a link that still leads nowhere is.

import {
  addressOf,
  BucketImage,
  bucketBytes,
  bucketClass,
  bucketFields,
  entryWord,
} from "@pdpm/layout";
import { compareAndSwap, read, round } from "@pdpm/verbs";
import { expect, test } from "vitest";
import { followChain } from "./bucket-chain.ts";
import { World } from "./contract-scene.ts";

test("a link that was taken away since is not damage, one that leads nowhere is", async () => {
  const world = new World();
  const client = world.client();
  await world.put(client, "key", "value");
  const { bucket: home } = world.bucketOf(client, "key");
  const nowhere = entryWord(addressOf(99, 0), bucketClass, 0, false);
  const chainFrom = (isStill: boolean): Promise<{ damaged: boolean; length: number }> =>
    world.run(client, function* (context) {
      const [bytes] = yield* round(read(home, bucketBytes));
      const image = Uint8Array.from(bytes);
      new DataView(image.buffer).setBigUint64(bucketFields.next, nowhere, true);
      const at = home + bucketFields.next;
      if (isStill) yield* round(compareAndSwap(at, 0n, nowhere));
      const chain = yield* followChain(context, home, new BucketImage(image));
      return { damaged: chain.damaged, length: chain.addresses.length };
    });
  expect(await chainFrom(false)).toEqual({ damaged: false, length: 1 });
  expect(await chainFrom(true)).toEqual({ damaged: true, length: 1 });
});
