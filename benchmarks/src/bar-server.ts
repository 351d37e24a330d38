// What Clover's metadata server takes of all CPU time, YCSB B over ws. The paper's point: the data
// path does not go through it. Central's coordinator, which moves the data, stands beside it.

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { medianOf, type Result, resultOf } from "./bar.ts";
import { type Scale, valueBytes } from "./bar-scale.ts";

const program = fileURLToPath(new URL("../../packages/cli/bin/pdpm.js", import.meta.url));

/** See the head of this file. */
export async function serverCpu(scale: Scale): Promise<Result[]> {
  const clover: number[] = [];
  const central: number[] = [];
  for (let run = 0; run < scale.runs; run += 1) {
    clover.push(await share("clover", scale));
    central.push(await share("central", scale));
  }
  return [
    resultOf(clover, {
      name: "CPU of Clover's metadata server, YCSB B over ws",
      unit: "% of all",
      bar: 5,
      is: "at most",
      detail:
        `20,000 records of ${valueBytes} bytes, two clients, two memory nodes; ` +
        `Central's coordinator: ${medianOf(central).toFixed(0)} %`,
    }),
  ];
}

async function share(design: string, { seconds }: Scale): Promise<number> {
  const words = ["bench", "--design", design, "--workload", "b", "--transport", "ws"];
  const all = [program, ...words, "--records", "20000", "--seconds", String(seconds), "--json"];
  const { stdout } = await promisify(execFile)(process.execPath, all);
  const { cpuSeconds } = JSON.parse(stdout) as {
    cpuSeconds: { client: number; memoryNode: number; server: number };
  };
  const { client, memoryNode, server } = cpuSeconds;
  return (100 * server) / (client + memoryNode + server);
}
