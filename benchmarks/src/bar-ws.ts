// Gets over ws, 64 in flight, one client process (this one), the servers in others: of Direct in
// gets per second, of Clover against Redis through ioredis with auto-pipelining.

import { Redis } from "ioredis";
import { connect, type Store } from "pdpm";
import { medianOf, type Result, resultOf } from "./bar.ts";
import { keyOf, type Scale, timeoutMs, valueBytes } from "./bar-scale.ts";
import { alternate, ratePerSecond } from "./lanes.ts";
import { inFolder } from "./machine.ts";
import { withNode } from "./node-process.ts";
import { withRedis } from "./redis-process.ts";
import { drawRequests } from "./requests.ts";
import { withCluster } from "./up-process.ts";

const inFlight = 64;
const requestCount = 200_000;
/** Keys of one MSET. */
const batch = 1000;
const value: Buffer = Buffer.alloc(valueBytes, 7);

/** Direct alone. */
export function getsOverWs(scale: Scale): Promise<Result[]> {
  return inFolder(scale.keys * valueBytes * 4, (dir, where) =>
    withNode(dir, async ({ storeUrl }) => {
      const { store, asked } = await filledStore(storeUrl, scale);
      const rates: number[] = [];
      for (let run = 0; run <= scale.runs; run += 1) rates.push(await getAll(store, asked));
      await store.close();
      const keyCount = scale.keys.toLocaleString("en-US");
      const about = `${keyCount} keys, ${valueBytes} bytes, zipfian, ${where}`;
      const detail = `${about}; one client process, one memory node`;
      const name = `Direct get over ws, ${inFlight} in flight`;
      const held = { name, unit: "gets/s", bar: 100_000, is: "at least", detail } as const;
      return [resultOf(rates.slice(1), held)];
    }),
  );
}

/** Clover and Redis in turn. */
export function getAgainstRedis(scale: Scale): Promise<Result[]> {
  return inFolder(scale.keys * valueBytes * 4, (dir, where) =>
    withCluster("clover", dir, (storeUrl) =>
      withRedis(async (port) => {
        const { store, asked } = await filledStore(storeUrl, scale);
        const redis = new Redis({ port, host: "127.0.0.1", enableAutoPipelining: true });
        for (let nth = 0; nth < scale.keys; nth += batch) {
          const some = Array.from({ length: Math.min(batch, scale.keys - nth) }, (_, i) => nth + i);
          await redis.mset(some.flatMap((one) => [keyOf(one), value]));
        }
        const rates = await alternate(
          scale.runs,
          () => getAll(store, asked),
          () =>
            ratePerSecond(asked, inFlight, async (key) =>
              mustBeWhole(key, (await redis.getBuffer(key)) ?? undefined),
            ),
        );
        await store.close();
        await redis.quit();
        return [redisResult(scale, where, rates)];
      }),
    ),
  );
}

function redisResult(
  { keys }: Scale,
  where: string,
  rates: readonly (readonly [number, number])[],
): Result {
  const [ours, theirs] = [0, 1].map((side) =>
    Math.round(medianOf(rates.map((run) => run[side] as number))).toLocaleString("en-US"),
  );
  const about = `${keys.toLocaleString("en-US")} keys, ${valueBytes} bytes, zipfian, ${where}`;
  return resultOf(
    rates.map(([our, their]) => our / their),
    {
      name: `Clover get over ws against Redis through ioredis, ${inFlight} in flight`,
      unit: "times its throughput",
      bar: 1,
      is: "at least",
      detail: `${about}; gets/s: ours ${ours}, Redis ${theirs}`,
    },
  );
}

/** A store with all keys in it, and the requests. */
async function filledStore(
  url: string,
  scale: Scale,
): Promise<{ store: Store; asked: readonly string[] }> {
  const store = await connect(url, { transport: "ws", timeoutMs });
  const keys = Array.from({ length: scale.keys }, (_, nth) => keyOf(nth));
  await store.putMany(keys.map((key) => [key, value] as const));
  const requests = drawRequests("zipfian", scale.keys, requestCount);
  return { store, asked: Array.from(requests, (nth) => keys[nth] as string) };
}

function getAll(store: Store, asked: readonly string[]): Promise<number> {
  return ratePerSecond(asked, inFlight, async (key) => mustBeWhole(key, await store.get(key)));
}

function mustBeWhole(key: string, found: Uint8Array | undefined): void {
  if (found?.length !== valueBytes) throw new Error(`${key} is missing`);
}
