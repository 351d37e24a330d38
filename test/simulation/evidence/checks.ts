// What test files do apart from seeds, and which command runs them: each design and transport has a
// row of docs/evidence.md, with what its tests noted or with the command that would have.

import type { Design } from "../plants/plant.ts";
import type { CheckName, Transport } from "./note.ts";

/** One row. */
export interface Check {
  readonly name: CheckName;
  /** See fault-counts.ts. */
  readonly class: string;
  readonly what: string;
  readonly design: Design;
  readonly transport: Transport;
  /** What runs it. */
  readonly command: string;
}

const vitest = "PDPM_EVIDENCE=FILE npx vitest run --project";

const kinds: readonly (Pick<Check, "name" | "class" | "what"> & {
  readonly rows: readonly (readonly [Design, Transport, string])[];
})[] = [
  {
    name: "deaths",
    class: "F2, F3, F8",
    what:
      "a client (of Central the coordinator) dies at every point of every operation, " +
      "with and without the power; the metadata service at every commit",
    rows: [
      ["direct", "simulated", "soak direct-deaths"],
      ["central", "simulated", "long central-deaths"],
      ["clover", "simulated", "long clover-deaths"],
    ],
  },
  {
    name: "torn",
    class: "F4",
    what: "a buffer is read while it is overwritten: a mix of two images",
    rows: [
      ["direct", "simulated", "long torn-images"],
      ["central", "simulated", "long torn-images"],
      ["clover", "simulated", "long torn-images"],
    ],
  },
  {
    name: "damaged",
    class: "F5",
    what: "memory is damaged under its readers, in five ways",
    rows: [
      ["direct", "simulated", "long damaged-store"],
      ["central", "simulated", "long damaged-store"],
      ["clover", "simulated", "long damaged-store"],
    ],
  },
  {
    name: "kills",
    class: "F2, F8",
    what: "real processes and threads under load are killed; then an audit, and their history",
    rows: [
      ["direct", "mapped", "crash kills.test"],
      ["direct", "ws", "crash kills.test"],
      ["central", "mapped", "crash kills-clover"],
      ["central", "auto", "crash kills-clover"],
      ["clover", "mapped", "crash kills-clover"],
      ["clover", "ws", "crash kills-clover"],
      ["clover", "auto", "crash kills-clover"],
    ],
  },
];

/** All rows. */
export const checks: readonly Check[] = kinds.flatMap(({ rows, ...kind }) =>
  rows.map(([design, transport, files]) => ({
    ...kind,
    design,
    transport,
    command: `${vitest} ${files}`,
  })),
);
