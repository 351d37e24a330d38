// `npm run bench:bars`: the numbers that the project holds (design section 7) for what exists, each
// measured in one run on one machine, against its bar. Exit code 1 when one is short, or its peer
// is not on this machine.
//
//   node benchmarks/dist/bars.js [--only TEXT] [--runs N] [--keys N] [--entries N] [--seconds N]

import { parseArgs } from "node:util";
import { isHeld, linesOf } from "./bar.ts";
import { getAgainstLmdb, putAgainstLmdb } from "./bar-lmdb.ts";
import { openLarge } from "./bar-open.ts";
import { twoProcesses } from "./bar-processes.ts";
import type { Scale } from "./bar-scale.ts";
import { serverCpu } from "./bar-server.ts";
import { getAgainstRedis, getsOverWs } from "./bar-ws.ts";
import { machineLines } from "./machine.ts";
import { MissingPeer } from "./redis-process.ts";

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    runs: { type: "string", default: "5" },
    keys: { type: "string", default: "100000" },
    entries: { type: "string", default: "1000000" },
    seconds: { type: "string", default: "2" },
  },
});
const scale: Scale = {
  runs: Number(values.runs),
  keys: Number(values.keys),
  entries: Number(values.entries),
  seconds: Number(values.seconds),
};

for (const line of machineLines()) console.log(line);
console.log(`median of ${scale.runs} runs (least to most)\n`);
for (const [name, measure] of Object.entries({
  getAgainstLmdb,
  putAgainstLmdb,
  getsOverWs,
  getAgainstRedis,
  serverCpu,
  twoProcesses,
  openLarge,
})) {
  if (!name.toLowerCase().includes(values.only.toLowerCase())) continue;
  try {
    for (const result of await measure(scale)) {
      for (const line of linesOf(result)) console.log(line);
      if (!isHeld(result)) process.exitCode = 1;
    }
  } catch (error) {
    if (!(error instanceof MissingPeer)) throw error;
    console.log(`NO PEER for ${name}: ${error.message}`);
    process.exitCode = 1;
  }
}
