// Two client processes against one, mapped, YCSB B: `pdpm bench` does the work, on a cluster of its
// own. A client of Clover asks the metadata server for each key that the other one loaded, once: in
// so short a run that is most of what two cost more than one.

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { medianOf, type Result, resultOf } from "./bar.ts";
import { type Scale, valueBytes } from "./bar-scale.ts";

const program = fileURLToPath(new URL("../../packages/cli/bin/pdpm.js", import.meta.url));

/** See the head of this file. */
export async function twoProcesses(scale: Scale): Promise<Result[]> {
  const results: Result[] = [];
  for (const design of ["direct", "clover"]) results.push(await twoOf(design, scale));
  return results;
}

async function twoOf(design: string, scale: Scale): Promise<Result> {
  const one: number[] = [];
  const two: number[] = [];
  for (let run = 0; run < scale.runs; run += 1) {
    one.push(await operationsPerSecond(design, 1, scale));
    two.push(await operationsPerSecond(design, 2, scale));
  }
  const ratios = two.map((rate, run) => rate / (one[run] ?? 1));
  const rate = (numbers: readonly number[]): string =>
    Math.round(medianOf(numbers)).toLocaleString("en-US");
  return resultOf(ratios, {
    name: `two client processes of ${design} against one, mapped, YCSB B`,
    unit: "times its throughput",
    bar: 1.7,
    is: "at least",
    detail: `20,000 records of ${valueBytes} bytes; operations/s: one ${rate(one)}, two ${rate(two)}`,
  });
}

async function operationsPerSecond(
  design: string,
  clients: number,
  { seconds }: Scale,
): Promise<number> {
  const words = ["bench", "--design", design, "--workload", "b", "--transport", "mapped"];
  const sizes = ["--records", "20000", "--clients", `${clients}`, "--seconds", `${seconds}`];
  const all = [program, ...words, ...sizes, "--json"];
  const { stdout } = await promisify(execFile)(process.execPath, all);
  return (JSON.parse(stdout) as { operationsPerSecond: number }).operationsPerSecond;
}
