// One history out of several clients' logs: in the order of starts, what was cut off by a kill kept
// as unknown, and nothing that was not handed to the kernel before it was posted.

import { appendFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostNanoseconds } from "@pdpm/base";
import { checkLinearizability, isBadLine, type Operation, parseHistory } from "@pdpm/checker";
import { afterEach, beforeEach, expect, test } from "vitest";
import { writeHistory } from "./history-file.ts";
import { HistoryLog } from "./history-log.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "pdpm-unit-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

function operationsIn(path: string): Operation[] {
  const lines = readFileSync(path, "utf8").split("\n");
  return [...parseHistory(lines)].map((read) => {
    if (isBadLine(read)) throw new Error(JSON.stringify(read));
    return read;
  });
}

test("what two clients logged becomes one history in the order of starts", async () => {
  const epoch = hostNanoseconds();
  const logs = [join(dir, "0"), join(dir, "1")];
  const clients = logs.map((path) => new HistoryLog(path, epoch)) as [HistoryLog, HistoryLog];
  const [first, second] = clients;
  const put = first.begin({ op: "put", key: "k", ifVersion: null, value: "0:1" });
  const get = second.begin({ op: "get", key: "k", ifVersion: null, value: null });
  const cas = first.begin({ op: "cas", key: "k", ifVersion: 1, value: "0:2" });
  // Ends come in another order than starts.
  first.end(cas, { version: 2, outcome: "ok" });
  first.end(put, { version: 1, outcome: "ok" });
  second.end(get, { value: "0:1", version: 1, outcome: "ok" });
  for (const client of clients) client.close();
  const path = join(dir, "history");
  expect(await writeHistory(path, { seed: "1" }, logs)).toEqual({ operations: 3, unknown: 0 });
  const operations = operationsIn(path);
  expect(operations.map(({ client, op, value, version }) => [client, op, value, version])).toEqual([
    [0, "put", "0:1", 1],
    [1, "get", "0:1", 1],
    [0, "cas", "0:2", 2],
  ]);
  expect(checkLinearizability(operations)).toMatchObject({ ok: true });
});

test("what a killed client had begun is unknown, and half a line is nothing", async () => {
  const log = new HistoryLog(join(dir, "0"), hostNanoseconds());
  log.begin({ op: "put", key: "k", ifVersion: null, value: "0:1" });
  const second = log.begin({ op: "put", key: "l", ifVersion: null, value: "0:2" });
  await log.written();
  log.end(second, { version: 1, outcome: "ok" });
  await log.written();
  // It dies in the middle of the next line.
  appendFileSync(join(dir, "0"), '{"id":2,"op":"put","key":"m","ifVer');
  const path = join(dir, "history");
  expect(await writeHistory(path, {}, [join(dir, "0")])).toEqual({ operations: 2, unknown: 1 });
  expect(operationsIn(path).map(({ key, end, outcome }) => [key, end === null, outcome])).toEqual([
    ["k", true, "unknown"],
    ["l", false, "ok"],
  ]);
});

test("a begin is in the file when `written` resolves, and not only when the log is closed", async () => {
  const path = join(dir, "0");
  const log = new HistoryLog(path, hostNanoseconds());
  for (let nth = 0; nth < 3; nth += 1) {
    log.begin({ op: "get", key: `k${nth}`, ifVersion: null, value: null });
  }
  expect(readFileSync(path, "utf8")).toBe("");
  await log.written();
  expect(readFileSync(path, "utf8").trim().split("\n")).toHaveLength(3);
  log.begin({ op: "get", key: "later", ifVersion: null, value: null });
  await log.written();
  expect(readFileSync(path, "utf8")).toContain("later");
  log.close();
});
