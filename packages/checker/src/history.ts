// The history file, line by line: a header, then one operation a line (design section 6). A bad
// line is data, not our bug: it comes back as a value that names the line. No I/O here.

import { assert } from "@pdpm/base";
import { invalidOperation, type Operation } from "./operation.ts";

/** The only format number this build reads and writes. */
export const historyFormat = 1;

/** The first line. What else a recorder puts there (workload, seed) is kept, not looked at. */
export interface HistoryHeader {
  readonly pdpm: "history";
  readonly format: typeof historyFormat;
  readonly [extra: string]: unknown;
}

/** A line that could not be read. */
export interface BadLine {
  /** Counted from 1; the header is line 1. */
  readonly lineNumber: number;
  readonly reason: string;
}

/** Tells a bad line from what was read. */
export function isBadLine(read: HistoryHeader | Operation | BadLine): read is BadLine {
  return "lineNumber" in read && "reason" in read && !("pdpm" in read) && !("op" in read);
}

function parseObject(line: string): object | string {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    return "not JSON";
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    return "not a JSON object";
  }
  return parsed;
}

function invalidHeader(header: { readonly pdpm?: unknown; readonly format?: unknown }) {
  if (header.pdpm !== "history") return 'not a history: the first line needs "pdpm":"history"';
  if (header.format === historyFormat) return null;
  const found = JSON.stringify(header.format) ?? "none";
  return `history format ${found} is not supported; this build reads format ${historyFormat}`;
}

/** Reads the first line of a history. */
export function parseHeader(line: string): HistoryHeader | BadLine {
  const parsed = parseObject(line);
  if (typeof parsed === "string") return { lineNumber: 1, reason: parsed };
  const reason = invalidHeader(parsed);
  return reason === null ? (parsed as HistoryHeader) : { lineNumber: 1, reason };
}

/** Reads one line after the first; fields it does not know are dropped. */
export function parseOperation(line: string, lineNumber: number): Operation | BadLine {
  const parsed = parseObject(line);
  if (typeof parsed === "string") return { lineNumber, reason: parsed };
  const reason = invalidOperation(parsed);
  if (reason !== null) return { lineNumber, reason };
  const { client, op, key, ifVersion, value, version, start, end, outcome } = parsed as Operation;
  return { client, op, key, ifVersion, value, version, start, end, outcome };
}

/** The first line of a history, without its line end; `extra` says where it comes from. */
export function formatHeader(extra: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({ pdpm: "history", format: historyFormat, ...extra });
}

/** One operation as a line, without its line end; its fields stand in the design's order. */
export function formatOperation(operation: Operation): string {
  const reason = invalidOperation(operation);
  assert(reason === null, `a history records only valid operations: ${reason}`);
  const { client, op, key, ifVersion, value, version, start, end, outcome } = operation;
  return JSON.stringify({ client, op, key, ifVersion, value, version, start, end, outcome });
}

/**
 * Reads a history from its lines and yields its operations. Empty lines are passed over. A bad
 * header is the last thing yielded; after a bad operation the reading goes on.
 */
export function* parseHistory(lines: Iterable<string>): Generator<Operation | BadLine, void> {
  let lineNumber = 0;
  for (const line of lines) {
    lineNumber += 1;
    if (lineNumber === 1) {
      const header = parseHeader(line);
      if (!isBadLine(header)) continue;
      yield header;
      return;
    }
    if (line.trim() !== "") yield parseOperation(line, lineNumber);
  }
  if (lineNumber === 0) yield { lineNumber: 1, reason: "the history is empty" };
}
