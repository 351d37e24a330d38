// The notation of the histories that tests make by hand. An operation reads: client, start-end,
// what, outcome.
//   1 0-10 put a 1      wrote value a as version 1        1 0-? put a       outcome unknown
//   1 0-10 get a 1      read it                           1 0-10 get -      found the key missing
//   1 0-10 cas 1 b 2    version 1 became b, version 2     1 0-10 cas 1 b !3 conflict: found 3
//   1 0-10 del 1        deleted version 1                 1 0-10 del -      found the key missing
//   1 0-10 del if 1 !?  conflict that says nothing        1 0-10 put a x    not applied
// A version "_" is not recorded. A key other than k is written before the value: put j/a 1.

import { assert } from "@pdpm/base";
import { invalidOperation, type Operation } from "../operation.ts";

type Answer = Pick<Operation, "outcome" | "version">;

function parseAnswer(word: string | undefined, end: number | null): Answer {
  if (end === null || word === "?") return { outcome: "unknown", version: null };
  if (word === "x") return { outcome: "not-applied", version: null };
  if (word === "!?") return { outcome: "conflict", version: null };
  if (word?.startsWith("!")) return { outcome: "conflict", version: Number(word.slice(1)) };
  const none = word === undefined || word === "_" || word === "-";
  return { outcome: "ok", version: none ? null : Number(word) };
}

/** One operation of a history written by hand. */
export function parseLine(line: string): Operation {
  const [client, times, verb, ...words] = line.trim().split(/\s+/);
  const [start, end] = (times ?? "").split("-");
  let ifVersion: number | null = null;
  if (verb === "cas") ifVersion = Number(words.shift());
  if (verb === "del" && words[0] === "if") ifVersion = Number(words.splice(0, 2)[1]);
  const written = verb === "del" || words[0] === "-" ? undefined : words.shift();
  const [key, value] = written?.includes("/") ? written.split("/") : ["k", written];
  const ended = end === "?" ? null : Number(end);
  const operation = {
    client: Number(client),
    op: verb === "del" ? "delete" : verb,
    key: key ?? "k",
    ifVersion,
    value: value ?? null,
    start: Number(start),
    end: ended,
    ...parseAnswer(words[0], ended),
  } as Operation;
  const reason = invalidOperation(operation);
  assert(reason === null, `${line}: ${reason}`);
  return operation;
}

/** A history written by hand: operations with semicolons between them. */
export function parseText(text: string): Operation[] {
  const lines = text.split(";").filter((line) => line.trim() !== "");
  return lines.map(parseLine);
}
