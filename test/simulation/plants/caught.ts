// Which seed catches which plant, and by which invariant: noted in caught.json by
// `npm run simulate -- --record-plants`, never by hand.

import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { designs } from "./plant.ts";

/** A seed that fails with a plant and passes without: most often the first one, from 1 on. */
export interface Catch {
  readonly seed: number;
  readonly invariant: string;
}

/** By name of the plant and design. */
export type Caught = { readonly [plant: string]: { readonly [design: string]: Catch } };

const file = "test/simulation/plants/caught.json";

export function readCaught(top: string): Caught {
  return JSON.parse(readFileSync(join(top, file), "utf8")) as Caught;
}

/** Writes all of it, in the order of `names`. */
export function writeCaught(top: string, caught: Caught, names: readonly string[]): void {
  const sorted: Record<string, Record<string, Catch>> = {};
  for (const name of names) {
    const own: Record<string, Catch> = {};
    for (const design of designs) {
      const one = caught[name]?.[design];
      if (one !== undefined) own[design] = one;
    }
    sorted[name] = own;
  }
  // In one step: several of these may run side by side.
  const draft = join(top, `${file}.${process.pid}`);
  writeFileSync(draft, `${JSON.stringify(sorted, null, 2)}\n`);
  renameSync(draft, join(top, file));
}
