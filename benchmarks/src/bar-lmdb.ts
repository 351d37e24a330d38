// Mapped gets and puts against lmdb-js: the same keys, values and requests, in one process and one
// run, taking turns. Of gets both copy the value; ours verifies it too, and is awaited as programs
// do. Of puts neither survives the machine's death: 'process' here, noSync there.

import { join } from "node:path";
import { open as openLmdb, type RootDatabase } from "lmdb";
import { open, type Store } from "pdpm";
import { medianOf, type Result, resultOf } from "./bar.ts";
import { keyOf, type Scale, timeoutMs, valueBytes } from "./bar-scale.ts";
import { alternate, ratePerSecond } from "./lanes.ts";
import { inFolder } from "./machine.ts";
import { drawRequests } from "./requests.ts";

const getCount = 500_000;
const putCount = 200_000;
const putsInFlight = 64;
const value: Buffer = Buffer.alloc(valueBytes, 7);

/** Gets, one after the other. */
export async function getAgainstLmdb(scale: Scale): Promise<Result[]> {
  const results: Result[] = [];
  for (const [design, bar] of [
    ["direct", 0.8],
    ["clover", 1],
  ] as const) {
    results.push(
      ...(await withBoth(scale, design, async ({ store, lmdb, draw, where }) => {
        const both: Result[] = [];
        for (const distribution of ["zipfian", "uniform"] as const) {
          const asked = draw(distribution, getCount);
          const rates = await alternate(
            scale.runs,
            () => ratePerSecond(asked, 1, async (key) => mustBeWhole(key, await store.get(key))),
            () => ratePerSecond(asked, 1, (key) => mustBeWhole(key, lmdb.getBinary(key))),
          );
          const name = `mapped ${design} get against lmdb-js getBinary`;
          both.push(resultFrom(rates, scale, { name, bar, how: `${distribution}, ${where}` }));
        }
        return both;
      })),
    );
  }
  return results;
}

/** Puts, many in flight. */
export function putAgainstLmdb(scale: Scale): Promise<Result[]> {
  return withBoth(scale, "clover", async ({ store, lmdb, draw, where }) => {
    const asked = draw("zipfian", putCount);
    const rates = await alternate(
      scale.runs,
      () => ratePerSecond(asked, putsInFlight, (key) => store.put(key, value)),
      () => ratePerSecond(asked, putsInFlight, (key) => lmdb.put(key, value)),
    );
    const name = `mapped clover put, ${putsInFlight} in flight, against lmdb-js put with noSync`;
    return [resultFrom(rates, scale, { name, bar: 2, how: `zipfian, ${where}` })];
  });
}

interface Both {
  readonly store: Store;
  readonly lmdb: RootDatabase;
  readonly where: string;
  draw(distribution: "zipfian" | "uniform", count: number): string[];
}

/** Lends both stores, with all keys in them, to `work`. */
function withBoth(
  { keys: keyCount }: Scale,
  design: "direct" | "clover",
  work: (both: Both) => Promise<Result[]>,
): Promise<Result[]> {
  return inFolder(keyCount * valueBytes * 6, async (dir, where) => {
    const keys = Array.from({ length: keyCount }, (_, nth) => keyOf(nth));
    const store = await open(join(dir, "pdpm"), { design, durability: "process", timeoutMs });
    const lmdb = openLmdb({ path: join(dir, "lmdb"), encoding: "binary", noSync: true });
    await store.putMany(keys.map((key) => [key, value] as const));
    await lmdb.transaction(() => {
      for (const key of keys) lmdb.putSync(key, value);
    });
    const results = await work({
      store,
      lmdb,
      where,
      draw: (distribution, count) =>
        Array.from(drawRequests(distribution, keyCount, count), (nth) => keys[nth] as string),
    });
    await store.close();
    await lmdb.close();
    return results;
  });
}

function mustBeWhole(key: string, found: Uint8Array | undefined): void {
  if (found?.length !== valueBytes) throw new Error(`${key} is missing`);
}

function resultFrom(
  rates: readonly (readonly [number, number])[],
  { keys }: Scale,
  { name, bar, how }: { readonly name: string; readonly bar: number; readonly how: string },
): Result {
  const [ours, theirs] = [0, 1].map((side) =>
    Math.round(medianOf(rates.map((run) => run[side] as number))).toLocaleString("en-US"),
  );
  const detail =
    `${keys.toLocaleString("en-US")} keys, ${valueBytes} bytes, ${how}; ` +
    `per second: ours ${ours}, lmdb-js ${theirs}`;
  const ratios = rates.map(([our, their]) => our / their);
  return resultOf(ratios, { name, unit: "times its throughput", bar, is: "at least", detail });
}
