// Planted bugs of Clover's housekeeping: leases, collection, the dead, and chunks that are recut.

import type { Plant } from "./plant.ts";

const source = "packages/clover/src";
const designs = ["clover"] as const;

export const cloverSpacePlants: readonly Plant[] = [
  {
    name: "reaped-unseen",
    hazard: "H9",
    designs,
    file: `${source}/reap.ts`,
    find: "if (live.has(address)) continue;",
    replace: "",
    why: "Buffers that a dead client had linked are freed.",
  },
  {
    name: "reaped-chains-not-swept",
    hazard: "H9",
    designs,
    file: `${source}/collect.ts`,
    find: "const freed = yield* sweepChains(context, starts);",
    replace: "const freed = false;",
    also: [
      { file: `${source}/reap.ts`, find: "yield* sweepKeys(context, [...keys]);", replace: "" },
    ],
    why: "What a dead client superseded and did not report is never free.",
  },
  {
    name: "taken-chunk-zeroed",
    hazard: "H17",
    designs,
    file: `${source}/empty-chunk.ts`,
    find: "if (leased === 0 && taken === 0) return true;",
    replace: "if (leased === 0) return true;",
    why: "A chunk is zeroed in which versions are live.",
  },
  {
    name: "recut-not-zeroed",
    hazard: "H17",
    designs,
    file: `${source}/empty-chunk.ts`,
    find: "yield* zero(context, chunk);",
    replace: "",
    why: "Buffers of a new chunk begin with words of an old one.",
  },
];
