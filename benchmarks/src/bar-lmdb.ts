// Mapped Direct get against lmdb-js `getBinary`: the same keys, values and requests, in one process
// and one run, taking turns. Both copy the value; ours verifies it too, and is awaited as programs
// do.

import { join } from "node:path";
import { systemClock } from "@pdpm/base";
import { open as openLmdb, type RootDatabase } from "lmdb";
import { open, type Store } from "pdpm";
import { medianOf, type Result, resultOf } from "./bar.ts";
import { keyOf, type Scale, timeoutMs, valueBytes } from "./bar-scale.ts";
import { inFolder } from "./machine.ts";
import { drawRequests } from "./requests.ts";

const requestCount = 500_000;

/** See the head of this file. */
export function getAgainstLmdb(scale: Scale): Promise<Result[]> {
  return inFolder(scale.keys * valueBytes * 6, async (dir, where) => {
    const keys = Array.from({ length: scale.keys }, (_, nth) => keyOf(nth));
    const value = Buffer.alloc(valueBytes, 7);
    const store = await open(join(dir, "pdpm"), { design: "direct", timeoutMs });
    const lmdb = openLmdb({ path: join(dir, "lmdb"), encoding: "binary", noSync: true });
    await store.putMany(keys.map((key) => [key, value] as const));
    await lmdb.transaction(() => {
      for (const key of keys) lmdb.putSync(key, value);
    });
    const results: Result[] = [];
    for (const distribution of ["zipfian", "uniform"] as const) {
      const requests = drawRequests(distribution, scale.keys, requestCount);
      const asked = Array.from(requests, (nth) => keys[nth] as string);
      results.push(await alternate(scale, store, lmdb, asked, `${distribution}, ${where}`));
    }
    await store.close();
    await lmdb.close();
    return results;
  });
}

async function alternate(
  { runs, keys }: Scale,
  store: Store,
  lmdb: RootDatabase,
  asked: readonly string[],
  how: string,
): Promise<Result> {
  // Both warm: code compiled, pages mapped, cursors known.
  await getAll(store, asked);
  getAllLmdb(lmdb, asked);
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    ours.push(await getAll(store, asked));
    theirs.push(getAllLmdb(lmdb, asked));
  }
  const ratios = ours.map((rate, run) => rate / (theirs[run] ?? 1));
  const rate = (numbers: readonly number[]): string =>
    Math.round(medianOf(numbers)).toLocaleString("en-US");
  return resultOf(ratios, {
    name: "mapped Direct get against lmdb-js getBinary",
    unit: "times its throughput",
    bar: 0.8,
    is: "at least",
    detail:
      `${keys.toLocaleString("en-US")} keys, ${valueBytes} bytes, ${how}; ` +
      `gets/s: ours ${rate(ours)}, lmdb-js ${rate(theirs)}`,
  });
}

/** @returns gets per second */
async function getAll(store: Store, asked: readonly string[]): Promise<number> {
  const startMs = systemClock.now();
  for (const key of asked) {
    const value = await store.get(key);
    if (value?.length !== valueBytes) throw new Error(`${key} is missing`);
  }
  return (asked.length * 1000) / (systemClock.now() - startMs);
}

/** @returns gets per second */
function getAllLmdb(lmdb: RootDatabase, asked: readonly string[]): number {
  const startMs = systemClock.now();
  for (const key of asked) {
    const value = lmdb.getBinary(key);
    if (value?.length !== valueBytes) throw new Error(`${key} is missing`);
  }
  return (asked.length * 1000) / (systemClock.now() - startMs);
}
