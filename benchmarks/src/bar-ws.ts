// Gets per second over ws: one client process (this one), one memory node in another, 64 in flight.

import { systemClock } from "@pdpm/base";
import { connect, type Store } from "pdpm";
import { type Result, resultOf } from "./bar.ts";
import { keyOf, type Scale, timeoutMs, valueBytes } from "./bar-scale.ts";
import { inFolder } from "./machine.ts";
import { withNode } from "./node-process.ts";
import { drawRequests } from "./requests.ts";

const inFlight = 64;
const requestCount = 200_000;

/** See the head of this file. */
export function getsOverWs(scale: Scale): Promise<Result[]> {
  return inFolder(scale.keys * valueBytes * 4, (dir, where) =>
    withNode(dir, async ({ storeUrl }) => {
      const store = await connect(storeUrl, { transport: "ws", timeoutMs });
      const keys = Array.from({ length: scale.keys }, (_, nth) => keyOf(nth));
      const value = Buffer.alloc(valueBytes, 7);
      await store.putMany(keys.map((key) => [key, value] as const));
      const requests = drawRequests("zipfian", scale.keys, requestCount);
      const asked = Array.from(requests, (nth) => keys[nth] as string);
      await getAll(store, asked);
      const rates: number[] = [];
      for (let run = 0; run < scale.runs; run += 1) rates.push(await getAll(store, asked));
      await store.close();
      const keyCount = scale.keys.toLocaleString("en-US");
      const about = `${keyCount} keys, ${valueBytes} bytes, zipfian, ${where}`;
      const detail = `${about}; one client process, one memory node`;
      const name = `Direct get over ws, ${inFlight} in flight`;
      return [resultOf(rates, { name, unit: "gets/s", bar: 100_000, is: "at least", detail })];
    }),
  );
}

/** @returns gets per second */
async function getAll(store: Store, asked: readonly string[]): Promise<number> {
  let next = 0;
  const slot = async (): Promise<void> => {
    while (next < asked.length) {
      const key = asked[next] as string;
      next += 1;
      const value = await store.get(key);
      if (value?.length !== valueBytes) throw new Error(`${key} is missing`);
    }
  };
  const startMs = systemClock.now();
  await Promise.all(Array.from({ length: inFlight }, slot));
  return (asked.length * 1000) / (systemClock.now() - startMs);
}
