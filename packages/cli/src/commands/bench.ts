// `pdpm bench`: a workload against a store, with real client processes. Without --dir and --url it
// starts a cluster of its own and removes it afterwards. The exit code is 0 when everything that
// was asked for was done: 1 when an operation failed or a client died, 6 when a value was damaged;
// the result is printed all the same.

import { closeSync, openSync } from "node:fs";
import { benchSettings, cursorSettings, defineBench } from "../bench/bench-options.ts";
import { environmentLine, environmentNow } from "../bench/environment.ts";
import { exitCodeOf, type Row } from "../bench/row.ts";
import { rowText } from "../bench/row-text.ts";
import { runRow } from "../bench/run.ts";
import { withSession } from "../bench/session.ts";
import {
  bytesOfRecords,
  givenTarget,
  mediumText,
  ownTarget,
  type Target,
} from "../bench/target.ts";
import { usageError } from "../failure.ts";
import { interruptible } from "../interrupt.ts";
import { notice, progress, writeJson, writeLine } from "../output.ts";
import { defineStore, type StoreChoice, storeChoice } from "../store-choice.ts";
import type { Given, Verb } from "../verb.ts";

/** See the head of this file. */
export const verb: Verb = {
  define(command) {
    defineBench(command);
    defineStore(command);
  },
  examples: `  $ pdpm bench                                          # YCSB A on a cluster of its own
  $ pdpm bench --workload c --clients 4 --seconds 10 --transport ws
  $ pdpm bench --workload a --rate 5000 --history run.jsonl && pdpm check run.jsonl
  $ pdpm bench --workload replay --value-bytes 64KiB --dir ./data --json
`,
  run: (given) => interruptible((signal) => bench(given, signal)),
};

async function bench(given: Given, signal: AbortSignal): Promise<number> {
  const choice = storeChoice(given);
  const transport = transportOf(choice);
  const { settings, seconds, operations } = benchSettings(given.options, transport);
  const history = given.options["history"] as string | undefined;
  // A history that cannot be written is known before anything runs.
  if (history !== undefined) closeSync(openSync(history, "w"));
  const target = await targetOf(choice, bytesOfRecords(settings.records, settings.valueBytes));
  const options = { settings, signal, records: history !== undefined };
  return withSession(target, options, async (session) => {
    const row = await runRow(session.fleet, target, {
      settings,
      seconds,
      operations,
      client: { ...choice.client, ...cursorSettings(given.options), transport },
      loads: true,
      touches: false,
      verifies: false,
      tell: (doing) => progress(`bench: ${doing}`),
    });
    const processes = await session.finish();
    if (history !== undefined) {
      const { workload, seed, records, valueBytes, clients, design } = row;
      const about = { workload, seed, records, valueBytes, clients, design, transport };
      const counts = await session.keepHistory(history, about);
      notice(`${history}: ${counts.operations} operations, ${counts.unknown} of unknown outcome`);
    }
    progress("");
    if (given.options["json"] === true) {
      const environment = environmentNow();
      const { medium, what } = target;
      await writeJson({ ...row, target: what, medium, processes, environment });
    } else await print(row, target);
    return exitCodeOf([row]);
  });
}

function targetOf(choice: StoreChoice, dataBytes: number): Promise<Target> {
  const isGiven = choice.dir !== undefined || choice.url !== undefined;
  if (isGiven) return givenTarget(choice);
  return ownTarget("bench", dataBytes, choice.client.design ?? "clover", choice.client);
}

/** A directory is always mapped; a cluster of its own is on this host. */
function transportOf({ dir, url, client }: StoreChoice): "auto" | "mapped" | "ws" {
  const { transport } = client;
  if (dir !== undefined && transport === "ws") {
    throw usageError("a directory is always mapped; leave --transport ws or --dir away");
  }
  if (transport !== undefined && transport !== "auto") return transport;
  return url === undefined ? "mapped" : "auto";
}

async function print(row: Row, target: Target): Promise<void> {
  for (const line of rowText(row)) await writeLine(line);
  await writeLine(`ran on        ${target.what}${mediumText(target.medium)}`);
  await writeLine(`environment   ${environmentLine(environmentNow())}`);
}
