// `pdpm check HISTORY`: whether a recorded history is linearizable. 0: it is; 6: it is not; 1: the
// file is no history, or the search gave up before it found an order or a contradiction.

import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import {
  type CheckResult,
  checkLinearizability,
  drawTimeline,
  isBadLine,
  type Operation,
  parseHeader,
  parseOperation,
} from "@pdpm/checker";
import { reportFailed } from "../failure.ts";
import { whole } from "../option-values.ts";
import { notice, writeJson, writeLine } from "../output.ts";
import { exitCodes, type Verb } from "../verb.ts";

/** Bad lines that are shown. */
const badLinesShown = 10;

/** See the head of this file. */
export const verb: Verb = {
  define(command) {
    const text = "how many configurations the search may try on one key (1000000)";
    command.option("--configurations <N>", text, whole(1));
  },
  examples: `  $ pdpm bench --workload a --clients 4 --seconds 5 --history run.jsonl
  $ pdpm check run.jsonl
`,
  async run({ args: [path = ""], options }) {
    const operations = await readHistory(path);
    if (typeof operations === "string") {
      const text = `${path} ${operations}; nothing was checked`;
      return reportFailed("check", text, options["json"] === true);
    }
    const configurationCountMax = options["configurations"] as number | undefined;
    const limits = configurationCountMax === undefined ? {} : { configurationCountMax };
    const result = checkLinearizability(operations, limits);
    if (options["json"] === true) await writeJson(result);
    else for (const line of linesOf(result)) await writeLine(line);
    if (result.ok) return exitCodes.ok;
    return result.undecided ? exitCodes.failed : exitCodes.integrity;
  },
};

/** Reads a history file. @returns its operations, or why it is none; each bad line was shown */
async function readHistory(path: string): Promise<Operation[] | string> {
  const operations: Operation[] = [];
  let lineNumber = 0;
  let badCount = 0;
  const lines = createInterface({ input: createReadStream(path), crlfDelay: Infinity });
  for await (const line of lines) {
    lineNumber += 1;
    if (lineNumber > 1 && line.trim() === "") continue;
    const read = lineNumber === 1 ? parseHeader(line) : parseOperation(line, lineNumber);
    if (isBadLine(read)) {
      badCount += 1;
      if (badCount <= badLinesShown) notice(`${path}:${read.lineNumber}: ${read.reason}`);
      if (lineNumber === 1) break;
    } else if ("op" in read) operations.push(read as Operation);
  }
  if (lineNumber === 0) return "is empty";
  return badCount === 0 ? operations : `has ${badCount} lines that cannot be read`;
}

function linesOf(result: CheckResult): string[] {
  if (result.ok) return [`linearizable: ${result.operations} operations on ${result.keys} keys`];
  const what = result.undecided ? "undecided" : "not linearizable";
  const { key, keyOperations, mistake, operations, reason, shrunk } = result;
  const head = `${what}: key ${JSON.stringify(key)}: ${reason}`;
  if (operations.length === 0) return [head];
  const few = `${operations.length} of ${keyOperations} operations on the key`;
  const shown = shrunk ? "the fewest that still contradict" : "some of those involved";
  return [head, `${mistake}; ${few}, ${shown}:`, "", ...drawTimeline(operations)];
}
