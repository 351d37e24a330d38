// Gets and puts of whole stores: 1 KiB under 10,000 keys, mapped and over ws, each key seen before.

import { join } from "node:path";
import { connect, open, type Store } from "pdpm";
import { timeoutMs } from "./bar-scale.ts";
import { inFolder } from "./machine.ts";
import { withNode } from "./node-process.ts";
import { type Group, hundredAwaited, type Piece, together } from "./piece.ts";

const keyCount = 10_000;
const valueBytes = 1024;
/** Far from each other, so that no two operations in a row share a cache line. */
const stride = 7919;

/** See the head of this file. */
export const storePieces: Group = (measure) =>
  inFolder(2 ** 28, async (dir, where) => {
    const embedded = await open(join(dir, "embedded"), { timeoutMs });
    await measureStore(embedded, `mapped (${where})`, measure);
    await embedded.close();
    await withNode(join(dir, "node"), async ({ storeUrl }) => {
      const remote = await connect(storeUrl, { transport: "ws", timeoutMs });
      await measureStore(remote, "ws", measure);
      await remote.close();
    });
  });

async function measureStore(
  store: Store,
  over: string,
  measure: (piece: Piece) => Promise<void>,
): Promise<void> {
  const value = new Uint8Array(valueBytes).fill(7);
  const keys = Array.from({ length: keyCount }, (_, nth) => `user${nth}`);
  await store.putMany(keys.map((key) => [key, value] as const));
  await store.getMany(keys);
  let next = 0;
  const key = (): string => {
    next = (next + stride) % keyCount;
    return keys[next] as string;
  };
  await measure(hundredAwaited(`${over}: get`, () => store.get(key())));
  await measure(hundredAwaited(`${over}: put`, () => store.put(key(), value)));
  await measure(together(`${over}: get`, 64, () => store.get(key())));
  await measure(together(`${over}: put`, 64, () => store.put(key(), value)));
}
