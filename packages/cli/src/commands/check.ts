// `pdpm check HISTORY`: whether a recorded history is linearizable. 0: it is; 6: it is not; 1: the
// file is no history, or the search gave up before it found an order or a contradiction.

import {
  type BadLine,
  type CheckResult,
  checkLinearizability,
  drawTimeline,
  type HistoryHeader,
  isBadLine,
  type Operation,
  parseHeader,
  parseOperation,
} from "@pdpm/checker";
import { reportFailed } from "../failure.ts";
import { type FileLine, readLines } from "../history-lines.ts";
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
    const json = options["json"] === true;
    const read = await readHistory(path);
    if (read.isEmpty || read.badCount > 0) return reportBad(path, read, json);
    const configurationCountMax = options["configurations"] as number | undefined;
    const limits = configurationCountMax === undefined ? {} : { configurationCountMax };
    const result = checkLinearizability(read.operations, limits);
    if (json) await writeJson(result);
    else for (const line of linesOf(result)) await writeLine(line);
    if (result.ok) return exitCodes.ok;
    return result.undecided ? exitCodes.failed : exitCodes.integrity;
  },
};

/** A history file as far as it can be read. */
interface HistoryRead {
  readonly operations: readonly Operation[];
  /** The first few bad lines. */
  readonly bad: readonly BadLine[];
  readonly badCount: number;
  readonly isEmpty: boolean;
}

function readLine({ number, text, problem }: FileLine): HistoryHeader | Operation | BadLine {
  if (problem !== null) return { lineNumber: number, reason: problem };
  return number === 1 ? parseHeader(text) : parseOperation(text, number);
}

/** Reads a history file. What has no good header is not read further. */
async function readHistory(path: string): Promise<HistoryRead> {
  const operations: Operation[] = [];
  const bad: BadLine[] = [];
  let badCount = 0;
  let isEmpty = true;
  for await (const lines of readLines(path)) {
    isEmpty = false;
    for (const line of lines) {
      if (line.number > 1 && line.problem === null && line.text.trim() === "") continue;
      const read = readLine(line);
      if (isBadLine(read)) {
        badCount += 1;
        if (bad.length < badLinesShown) bad.push(read);
        if (line.number === 1) return { operations, bad, badCount, isEmpty };
      } else if ("op" in read) operations.push(read as Operation);
    }
  }
  return { operations, bad, badCount, isEmpty };
}

/** Says what is wrong with the file: each bad line, then, as the error, how many and the first. */
function reportBad(path: string, { bad, badCount, isEmpty }: HistoryRead, json: boolean): number {
  // With --json stderr has the error and nothing else.
  if (!json) for (const { lineNumber, reason } of bad) notice(`${path}:${lineNumber}: ${reason}`);
  const first = bad[0] ? `the first is line ${bad[0].lineNumber} (${bad[0].reason})` : "";
  const count = badCount === 1 ? "1 line" : `${badCount} lines`;
  const what = isEmpty ? "is empty" : `has ${count} that cannot be read, ${first}`;
  return reportFailed("check", `${path} ${what}; nothing was checked`, json);
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
