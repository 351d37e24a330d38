// `pdpm compare`: every design that exists, as a cluster of real processes of its own, over ws and
// then mapped, on the same keys, seeds and values; a row each, a table, three sentences. Afterwards
// nothing is left: no process, no file, also when it is interrupted.

import type { Design, Transport } from "pdpm";
import { checkValueBytes, inFlightDefault, inFlightText } from "../bench/bench-options.ts";
import { sentences, tableHead, tableRow } from "../bench/compare-table.ts";
import { environmentLine, environmentNow } from "../bench/environment.ts";
import type { ProcessCost } from "../bench/fleet.ts";
import { exitCodeOf, isClean, type Row, type RowSettings } from "../bench/row.ts";
import { runRow } from "../bench/run.ts";
import { withSession } from "../bench/session.ts";
import { bytesOfRecords, mediumText, ownTarget } from "../bench/target.ts";
import { thetaDefault, type WorkloadName } from "../bench/workload.ts";
import { interruptible } from "../interrupt.ts";
import { bytes, decimal, notYet, whole } from "../option-values.ts";
import { progress, writeJson, writeLine } from "../output.ts";
import { designsHere } from "../store-choice.ts";
import type { Medium } from "../temporary-folder.ts";
import { exitCodes, type Given, type Verb } from "../verb.ts";

/** The rows of one design, in this order. */
const transports = ["ws", "mapped"] as const;
const workloadNames: readonly WorkloadName[] = ["c", "b", "a"];

/** A machine that is busy with other things makes slow rows, not failed ones. */
const timeoutMs = 30_000;

/** See the head of this file. */
export const verb: Verb = {
  define(command) {
    command
      .option("--seconds <N>", "how long each row is measured", decimal(0.001), 2)
      .option("--warmup <N>", "seconds of the same before measuring", decimal(0), 0.5)
      .option("--records <N>", "records of each store", whole(1, 1e8), 20_000)
      .option("--value-bytes <N>", "size of each value", bytes, 1024)
      .option("--clients <N>", "client processes", whole(1, 64), 2)
      .option("--in-flight <N>", inFlightText, whole(1, 65_536))
      .option("--seed <TEXT>", "the same seed, the same keys in the same order", "1")
      .option("--rate <N>", "operations per second of all clients (as fast as it goes)", decimal(1))
      .option("--report <FILE>", "not yet", notYet("--report"))
      .option("--figure <N>", "not yet", notYet("--figure"))
      .option("--transport <NAME>", "not yet", notYet("choosing a transport"));
  },
  examples: `  $ pdpm compare                                # about a minute and a half
  $ pdpm compare --seconds 1 --records 2000     # a first look
  $ pdpm compare --json > rows.json
`,
  run: (given) => interruptible((signal) => compare(given, signal)),
};

type Settings = Omit<RowSettings, "design" | "workload" | "transport" | "inFlight">;

/** What all rows have in common. */
interface Comparison {
  readonly settings: Settings;
  /** As it was asked for; otherwise the transport says. */
  readonly inFlight: number | undefined;
  readonly seconds: number;
  readonly signal: AbortSignal;
  /** Called when the cluster of a design has begun to run. */
  readonly begun: (medium: Medium | null) => Promise<void>;
  /** Called with each row as it comes. */
  readonly measured: (row: Row) => Promise<void>;
}

async function compare({ options }: Given, signal: AbortSignal): Promise<number> {
  const json = options["json"] === true;
  const settings: Settings = {
    distribution: "zipfian",
    theta: thetaDefault,
    seed: options["seed"] as string,
    records: options["records"] as number,
    valueBytes: options["valueBytes"] as number,
    clients: options["clients"] as number,
    warmupSeconds: options["warmup"] as number,
    rate: (options["rate"] as number | undefined) ?? null,
  };
  checkValueBytes(settings);
  const environment = environmentNow();
  if (!json) await writeLine(environmentLine(environment));
  const rows: Row[] = [];
  const processes: ProcessCost[] = [];
  let medium: Medium | null = null;
  const comparison: Comparison = {
    settings,
    inFlight: options["inFlight"] as number | undefined,
    seconds: options["seconds"] as number,
    signal,
    begun: async (found) => {
      if (medium === null && !json) await printHead(comparison, found);
      medium = found;
    },
    measured: async (row) => {
      rows.push(row);
      progress("");
      if (!json) await writeLine(tableRow(row));
    },
  };
  for (const design of designsHere) processes.push(...(await measureDesign(design, comparison)));
  if (json) await writeJson({ rows, processes, environment, medium });
  else await printTail(rows);
  return rows.every(areVerbsEqual) ? exitCodeOf(rows) : exitCodes.failed;
}

/**
 * Runs the rows of one design on a cluster of its own; for Central, whose coordinator reaches
 * memory for all clients, on one per transport. @returns the processes that took part
 */
async function measureDesign(design: Design, comparison: Comparison): Promise<ProcessCost[]> {
  const parts = design === "central" ? transports.map((each) => [each]) : [transports];
  const processes: ProcessCost[] = [];
  for (const over of parts) processes.push(...(await measureOver(design, over, comparison)));
  return processes;
}

async function measureOver(
  design: Design,
  over: readonly Transport[],
  comparison: Comparison,
): Promise<ProcessCost[]> {
  const { settings, seconds, signal, begun, measured } = comparison;
  const dataBytes = bytesOfRecords(settings.records, settings.valueBytes);
  const target = await ownTarget("compare", dataBytes, design, { transport: over[0] });
  return withSession(target, { settings, signal, records: false }, async (session) => {
    await begun(target.medium);
    let isLoaded = false;
    for (const transport of over) {
      const inFlight = comparison.inFlight ?? inFlightDefault(transport);
      for (const workload of workloadNames) {
        const row = await runRow(session.fleet, target, {
          settings: { ...settings, workload, transport, inFlight },
          seconds,
          operations: undefined,
          client: { design, transport, timeoutMs },
          loads: !isLoaded,
          touches: true,
          verifies: true,
          tell: (doing) => progress(`${design}, ${transport}, ${workload}: ${doing}`),
        });
        isLoaded = true;
        await measured(row);
      }
    }
    return session.finish();
  });
}

/** Over ws every verb passes a memory node, so both sides count the same. */
function areVerbsEqual({ transport, verbs, deadClients }: Row): boolean {
  return transport !== "ws" || deadClients.length > 0 || verbs.posted === verbs.applied;
}

async function printHead({ settings, inFlight }: Comparison, medium: Medium | null): Promise<void> {
  const { records, valueBytes, clients, theta, seed } = settings;
  const running = transports.map((over) => `${over} ${inFlight ?? inFlightDefault(over)}`);
  const lines = [
    `each design: 2 memory nodes${mediumText(medium)}, ${clients} client processes`,
    `${records} records of ${valueBytes} bytes, zipfian ${theta}, seed ${seed}; in flight per ` +
      `client: ${running.join(", ")}`,
    "",
    ...tableHead,
  ];
  for (const line of lines) await writeLine(line);
}

async function printTail(rows: readonly Row[]): Promise<void> {
  await writeLine("");
  for (const sentence of sentences(rows)) await writeLine(sentence);
  for (const row of rows.filter((each) => !isClean(each) || !areVerbsEqual(each))) {
    const { design, transport, workload, errors, verified, failures, verbs, deadClients } = row;
    const facts = JSON.stringify({ errors, verified, failures, verbs, deadClients });
    await writeLine(`not ok: ${design}, ${transport}, ${workload}: ${facts}`);
  }
}
