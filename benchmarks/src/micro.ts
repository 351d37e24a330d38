// `npm run bench:micro`: one piece at a time. What is measured is one call; short ones are run a
// hundred at a time, for asking the time takes as long as they do. Operations per second are 1 /
// median latency, because means belong to whatever else the machine does. The spread is the median
// distance of the samples from their median, after warm-up.
//
//   node benchmarks/dist/micro.js [--ms N] [--only TEXT]

import { parseArgs } from "node:util";
import { Bench } from "tinybench";
import { machineLines } from "./machine.ts";
import { pieces } from "./micro-pieces.ts";
import { storePieces } from "./micro-stores.ts";
import { verbPieces } from "./micro-verbs.ts";
import type { Piece } from "./piece.ts";

const { values } = parseArgs({
  options: { ms: { type: "string", default: "500" }, only: { type: "string", default: "" } },
});
const timeMs = Number(values.ms);
const widths = [40, 12, 10, 11, 11, 11];

/** Measures one piece and prints its line. */
async function measure({ name, calls, run }: Piece): Promise<void> {
  const bench = new Bench({ time: timeMs, warmupTime: timeMs / 2 });
  bench.add(name, run);
  const [task] = await bench.run();
  const result = task?.result;
  if (result?.state !== "completed") throw new Error(`${name}: ${JSON.stringify(result)}`);
  const { p50, p99, mad, mean } = result.latency;
  const nanoseconds = (ms: number): string => {
    const each = (ms * 1e6) / calls;
    return `${each.toFixed(each < 100 ? 1 : 0)} ns`;
  };
  const cells = [
    Math.round((1000 * calls) / p50).toLocaleString("en-US"),
    `± ${((100 * mad) / p50).toFixed(1)} %`,
    ...[p50, mean, p99].map(nanoseconds),
  ].map((text, at) => text.padStart(widths[at + 1] ?? 0));
  const row = [name.padEnd(widths[0] ?? 0), ...cells];
  console.log(row.join(" "));
}

for (const line of machineLines()) console.log(line);
const head = ["", "per second", "spread", "median", "mean", "p99"];
console.log(head.map((text, at) => text.padStart(widths[at] ?? 0)).join(" "));
for (const group of [pieces, verbPieces, storePieces]) {
  await group(async (piece) => {
    if (piece.name.includes(values.only)) await measure(piece);
  });
}
