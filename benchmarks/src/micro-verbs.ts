// One verb at a time, straight to one memory node's fabric: no keys, no protocol. Flushes have
// nothing to do in memory, so "write and flush" is what a durable write costs beside the medium.

import { join } from "node:path";
import { systemClock } from "@pdpm/base";
import { createRegionFile, MappedFabric, MappedRegion } from "@pdpm/transport-mapped";
import { WsNode } from "@pdpm/transport-ws";
import {
  ArrayMemory,
  applyPosts,
  compareAndSwap,
  flush,
  type Post,
  read,
  write,
} from "@pdpm/verbs";
import { inFolder } from "./machine.ts";
import { withNode } from "./node-process.ts";
import { type Group, hundred, hundredAwaited, together } from "./piece.ts";

const regionBytes = 2 ** 24;
const valueBytes = 1024;
const first = 2 ** 16;

/** See the head of this file. */
export const verbPieces: Group = async (measure) => {
  const array = new ArrayMemory(regionBytes, regionBytes);
  for (const [name, posts] of rounds()) {
    await measure(hundred(`array: ${name}`, (nth) => void applyPosts(array, posts(nth))));
  }
  await inFolder(4 * regionBytes, async (dir, where) => {
    await createRegionFile(dir, regionBytes);
    const mapped = new MappedFabric(MappedRegion.open(dir, systemClock));
    for (const [name, posts] of rounds()) {
      await measure(hundred(`mapped (${where}): ${name}`, (nth) => void mapped.post(posts(nth))));
    }
    await mapped.close();
    await withNode(join(dir, "node"), async ({ url }) => {
      const ws = await WsNode.connect({ url });
      await ws.admit();
      await ws.extend(regionBytes);
      for (const [name, posts] of rounds()) {
        await measure(hundredAwaited(`ws: ${name}`, (nth) => ws.post(posts(nth))));
        await measure(together(`ws: ${name}`, 64, (nth) => ws.post(posts(nth))));
      }
      await ws.close();
    });
  });
};

/** Rounds by name; the n-th one goes to a place of its own. */
function rounds(): [name: string, posts: (nth: number) => Post[]][] {
  const data = new Uint8Array(valueBytes).fill(7);
  const place = (nth: number): number => first + nth * 4096;
  return [
    ["read 1 KiB", (nth) => [at(place(nth), read(0, valueBytes))]],
    [
      "write and flush 1 KiB",
      (nth) => [at(place(nth), write(0, data)), at(place(nth), flush(0, valueBytes))],
    ],
    ["compare-and-swap", (nth) => [at(place(nth), compareAndSwap(0, 0n, 0n))]],
  ];
}

/** Places a post as the router would: at a byte of the node's region. */
function at(offset: number, post: Post<unknown>): Post {
  post.node = 0;
  post.offset = offset;
  return post as Post;
}
