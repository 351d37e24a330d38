// Makes one history of the clients' own (design section 6): every operation once, in the order of
// their starts, the load included. What has no end is unknown: its client was killed.
//
// Every client's lines are read as a stream: what is held in memory is what was in flight.

import { once } from "node:events";
import { closeSync, createWriteStream, openSync, readSync } from "node:fs";
import { formatHeader, formatOperation, type Operation } from "@pdpm/checker";
import type { BegunLine, EndedLine } from "./history-log.ts";

const blockBytes = 1 << 20;
const linesPerWrite = 4096;

/** The complete lines of a file; what a killed writer left behind the last line end is dropped. */
function* linesOf(path: string): Generator<string, void> {
  const file = openSync(path, "r");
  try {
    const block = Buffer.alloc(blockBytes);
    let rest = Buffer.alloc(0);
    for (let count = 1; count > 0; ) {
      count = readSync(file, block);
      const bytes = Buffer.concat([rest, block.subarray(0, count)]);
      const end = bytes.lastIndexOf(0x0a) + 1;
      rest = Buffer.from(bytes.subarray(end));
      if (end > 0) yield* bytes.toString("utf8", 0, end - 1).split("\n");
    }
  } finally {
    closeSync(file);
  }
}

function operationOf(client: number, begun: BegunLine, ended: EndedLine | null): Operation {
  const { op, key, ifVersion, value, start } = begun;
  const question = { client, op, key, ifVersion };
  if (ended === null) {
    return { ...question, value, version: null, start, end: null, outcome: "unknown" };
  }
  const { version, end, outcome } = ended;
  const answer = ended.value === undefined ? value : ended.value;
  return { ...question, value: answer, version, start, end, outcome };
}

/** The operations of one client in the order of their starts. */
function* operationsOf(client: number, path: string): Generator<Operation, void> {
  const open: { begun: BegunLine; ended: EndedLine | null }[] = [];
  const byId = new Map<number, (typeof open)[number]>();
  for (const line of linesOf(path)) {
    const read = JSON.parse(line) as BegunLine | EndedLine;
    if ("start" in read) {
      const operation = { begun: read, ended: null };
      open.push(operation);
      byId.set(read.id, operation);
      continue;
    }
    const operation = byId.get(read.id);
    if (operation === undefined) continue;
    operation.ended = read;
    byId.delete(read.id);
    for (let first = open[0]; first !== undefined && first.ended !== null; first = open[0]) {
      yield operationOf(client, first.begun, first.ended);
      open.shift();
    }
  }
  for (const { begun, ended } of open) yield operationOf(client, begun, ended);
}

/** Streams in the order of their starts, as one such stream. */
function* merged(streams: readonly Iterator<Operation, void>[]): Generator<Operation, void> {
  const heads = streams.flatMap((stream) => {
    const next = stream.next();
    return next.done ? [] : [{ stream, operation: next.value }];
  });
  while (heads.length > 0) {
    const starts = heads.map(({ operation }) => operation.start);
    const at = starts.indexOf(Math.min(...starts));
    const head = heads[at] as (typeof heads)[number];
    yield head.operation;
    const next = head.stream.next();
    if (next.done) heads.splice(at, 1);
    else head.operation = next.value;
  }
}

/**
 * Writes the history of a run to `path`.
 * @param extra - Where it comes from, for the header: workload, seed.
 * @param logs - The path of each client's log, by its index.
 * @returns how many operations it has, and how many of them are unknown.
 */
export async function writeHistory(
  path: string,
  extra: Readonly<Record<string, unknown>>,
  logs: readonly string[],
): Promise<{ operations: number; unknown: number }> {
  const counts = { operations: 0, unknown: 0 };
  const file = createWriteStream(path);
  // Opened before anything is merged, so that a path that cannot be written fails at once.
  await once(file, "open");
  let lines = [formatHeader(extra)];
  const write = async (): Promise<void> => {
    if (!file.write(`${lines.join("\n")}\n`)) await once(file, "drain");
    lines = [];
  };
  for (const operation of merged(logs.map((log, client) => operationsOf(client, log)))) {
    counts.operations += 1;
    if (operation.outcome === "unknown") counts.unknown += 1;
    lines.push(formatOperation(operation));
    if (lines.length >= linesPerWrite) await write();
  }
  if (lines.length > 0) await write();
  file.end();
  await once(file, "close");
  return counts;
}
