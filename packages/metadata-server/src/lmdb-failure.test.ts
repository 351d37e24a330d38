// What LMDB says, in our words: the code, whether the call had an effect, and what to do.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AssertionError, PdpmError } from "@pdpm/base";
import { afterEach, beforeEach, expect, test } from "vitest";
import { lmdbFailure } from "./lmdb-failure.ts";

let path = "";

beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), "pdpm-failure-"));
});

afterEach(() => rmSync(path, { recursive: true }));

for (const [said, code, advice] of [
  ["No space left on device: Attempting to write page", "PDPM_NO_SPACE", "make room on its disk"],
  ["ENOSPC: no space left on device, write", "PDPM_NO_SPACE", "make room on its disk"],
  ["Disk quota exceeded", "PDPM_NO_SPACE", "make room on its disk"],
  ["Input/output error", "PDPM_UNAVAILABLE", "must be able to write there"],
  ["EACCES: permission denied, access", "PDPM_UNAVAILABLE", "must be able to write there"],
  [
    "MDB_CORRUPTED: Located page was wrong type",
    "PDPM_CORRUPT",
    "restore the directory from a copy",
  ],
  ["MDB_BAD_TXN: Transaction must abort", "PDPM_CORRUPT", "restore the directory from a copy"],
  ["MDB_PROBLEM: Unexpected problem", "PDPM_CORRUPT", "restore the directory from a copy"],
  ["MDB_PANIC: Update of meta page failed", "PDPM_POISONED", "open the store again"],
] as const) {
  test(`"${said}" is ${code}, and says what to do`, async () => {
    const cause = new Error(`${said}\nwith a second line`);
    const failure = await lmdbFailure(path, cause, "unknown");
    expect(failure).toMatchObject({ code, outcome: "unknown", cause });
    expect(failure.message).toContain(advice);
    expect(failure.message).toContain(path);
    expect(failure.message).not.toContain("\n");
  });
}

test("the error behind a failed commit is the one that counts", async () => {
  const commitError = Promise.reject(new Error("No space left on device"));
  const error = Object.assign(new Error("Commit failed (see commitError for details)"), {
    commitError,
  });
  expect(await lmdbFailure(path, error, "unknown")).toMatchObject({ code: "PDPM_NO_SPACE" });
});

test("what is ours already stays what it is", async () => {
  for (const error of [new PdpmError("PDPM_CLOSED", "closed"), new AssertionError("a defect")]) {
    expect(await lmdbFailure(path, error, "unknown")).toBe(error);
  }
});
