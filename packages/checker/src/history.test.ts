// Histories as text: what is read back is what was written, and bad lines name themselves.

import { Prng } from "@pdpm/base";
import { expect, test } from "vitest";
import {
  formatHeader,
  formatOperation,
  isBadLine,
  parseHeader,
  parseHistory,
  parseOperation,
} from "./history.ts";
import type { Operation } from "./operation.ts";

const put: Operation = {
  client: 3,
  op: "put",
  key: "user01",
  ifVersion: null,
  value: "3:1841",
  version: 12,
  start: 100,
  end: 250,
  outcome: "ok",
};

const valid: readonly Operation[] = [
  put,
  { ...put, key: 'line\nend "quoted" ü', value: "0:0" },
  { ...put, version: null, end: null, outcome: "unknown" },
  { ...put, version: null, outcome: "unknown" },
  { ...put, version: null, outcome: "not-applied" },
  { ...put, start: 100, end: 100, version: null },
  { ...put, op: "get" },
  { ...put, op: "get", value: null, version: null },
  { ...put, op: "get", value: null, version: null, end: null, outcome: "unknown" },
  { ...put, op: "cas", ifVersion: 0 },
  { ...put, op: "cas", ifVersion: 11 },
  { ...put, op: "cas", ifVersion: 0, version: 4, outcome: "conflict" },
  { ...put, op: "cas", ifVersion: 11, version: 0, outcome: "conflict" },
  { ...put, op: "cas", ifVersion: 11, version: null, outcome: "conflict" },
  { ...put, op: "delete", value: null },
  { ...put, op: "delete", value: null, version: null },
  { ...put, op: "delete", value: null, ifVersion: 12 },
  { ...put, op: "delete", value: null, ifVersion: 12, version: 13, outcome: "conflict" },
];

const invalid: readonly (readonly [string, object, string])[] = [
  ["a client that is no number", { ...put, client: "3" }, "client"],
  ["a negative client", { ...put, client: -1 }, "client"],
  ["an unknown op", { ...put, op: "scan" }, "op"],
  ["an empty key", { ...put, key: "" }, "key"],
  ["a key that is no text", { ...put, key: 7 }, "key"],
  ["a missing ifVersion", { ...put, ifVersion: undefined }, "ifVersion"],
  ["a broken ifVersion", { ...put, op: "cas", ifVersion: 1.5 }, "ifVersion"],
  ["an empty value", { ...put, value: "" }, "value"],
  ["a missing value", { ...put, value: undefined }, "value"],
  ["a version above 2^53", { ...put, version: 2 ** 53 }, "version"],
  ["a version 0 that was written", { ...put, version: 0 }, "version"],
  ["a start that is no number", { ...put, start: "0" }, "start"],
  ["an end that is no number", { ...put, end: true }, "end"],
  ["an end before its start", { ...put, end: 99 }, "end is before start"],
  ["an ok without an end", { ...put, end: null }, "needs an end"],
  ["an unknown outcome word", { ...put, outcome: "maybe" }, "outcome"],
  ["a cas without a condition", { ...put, op: "cas" }, "ifVersion"],
  ["a put with a condition", { ...put, ifVersion: 3 }, "put has no ifVersion"],
  ["a get with a condition", { ...put, op: "get", ifVersion: 3 }, "get has no ifVersion"],
  ["a put of nothing", { ...put, value: null }, "put needs a value"],
  ["a delete of a value", { ...put, op: "delete" }, "delete has no value"],
  ["a version of an unknown put", { ...put, outcome: "unknown" }, "no version"],
  ["a version of what never happened", { ...put, outcome: "not-applied" }, "no version"],
  ["a get that failed and read", { ...put, op: "get", version: null, outcome: "unknown" }, "value"],
  ["a put that conflicts", { ...put, outcome: "conflict" }, "ifVersion"],
  ["a missing key with a version", { ...put, op: "get", value: null }, "missing"],
  [
    "a conflict that found what it wanted",
    { ...put, op: "cas", ifVersion: 12, outcome: "conflict" },
    "wanted",
  ],
];

test("a header and operations survive writing and reading", () => {
  const lines = [formatHeader({ workload: "a", seed: 7 }), ...valid.map(formatOperation)];
  expect(parseHeader(lines[0] ?? "")).toEqual({
    pdpm: "history",
    format: 1,
    workload: "a",
    seed: 7,
  });
  expect([...parseHistory(lines)]).toEqual(valid);
});

test("a line has the fields of the design in their order", () => {
  expect(formatHeader()).toBe('{"pdpm":"history","format":1}');
  expect(formatOperation(put)).toBe(
    '{"client":3,"op":"put","key":"user01","ifVersion":null,"value":"3:1841","version":12,' +
      '"start":100,"end":250,"outcome":"ok"}',
  );
});

test.each(invalid)("%s is refused, with the line and the reason", (_, operation, reason) => {
  const read = parseOperation(JSON.stringify(operation), 17);
  expect(isBadLine(read)).toBe(true);
  expect(read).toEqual({ lineNumber: 17, reason: expect.stringContaining(reason) });
});

test("an invalid operation is not written", () => {
  expect(() => formatOperation({ ...put, end: 99 })).toThrow(/end is before start/);
});

test("fields of later recorders are dropped", () => {
  const read = parseOperation(JSON.stringify({ ...put, node: 4 }), 2);
  expect(read).toEqual(put);
});

test("another format, another file and an empty one are refused at line 1", () => {
  const refused = (lines: readonly string[]) => [...parseHistory(lines)];
  const at1 = (reason: string) => [{ lineNumber: 1, reason: expect.stringContaining(reason) }];
  expect(refused(['{"pdpm":"history","format":2}', formatOperation(put)])).toEqual(at1("format 2"));
  expect(refused(['{"pdpm":"history"}'])).toEqual(at1("format none"));
  expect(refused(['{"pdpm":"history","format":"1"}'])).toEqual(at1('format "1"'));
  expect(refused([formatOperation(put)])).toEqual(at1("not a history"));
  expect(refused(["[]"])).toEqual(at1("not a JSON object"));
  expect(refused([""])).toEqual(at1("not JSON"));
  expect(refused([])).toEqual(at1("empty"));
});

test("a bad line does not hide the good ones around it, and empty lines count", () => {
  const good = formatOperation(put);
  const lines = [formatHeader(), good, "", "null", good, good.slice(0, 40), "  "];
  expect([...parseHistory(lines)]).toEqual([
    put,
    { lineNumber: 4, reason: "not a JSON object" },
    put,
    { lineNumber: 6, reason: "not JSON" },
  ]);
});

test("whatever is cut from or changed in a line, reading it never throws", () => {
  const prng = new Prng("lines");
  const line = formatOperation(put);
  for (let i = 0; i < 5000; i += 1) {
    const at = prng.below(line.length);
    const letter = String.fromCharCode(prng.below(128));
    const edited = prng.chance(0.3)
      ? line.slice(0, at)
      : line.slice(0, at) + letter + line.slice(at + 1);
    const read = parseOperation(edited, 5);
    if (isBadLine(read)) expect(read.lineNumber).toBe(5);
    else expect(formatOperation(read)).toBeTypeOf("string");
  }
});
