// A store with LMDB metadata is open in one pid namespace at a time.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { enterNamespace } from "./namespace-guard.ts";

let directory = "";

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "pdpm-namespace-"));
});

afterEach(() => rm(directory, { recursive: true }));

test("any number may enter from one namespace", () => {
  const locks = [1, 2, 3].map(() => enterNamespace(directory, "pid:[1]"));
  for (const lock of locks) lock.release();
});

test("whoever comes from another namespace is refused while somebody is in, and told what to do", () => {
  const inside = enterNamespace(directory, "pid:[1]");
  expect(() => enterNamespace(directory, "pid:[2]")).toThrow(/PDPM_IN_USE.*another pid namespace/);
  // A refused one leaves nothing behind that would keep out those who belong here.
  const second = enterNamespace(directory, "pid:[1]");
  inside.release();
  expect(() => enterNamespace(directory, "pid:[2]")).toThrow(/PDPM_IN_USE/);
  second.release();
  const other = enterNamespace(directory, "pid:[2]");
  expect(() => enterNamespace(directory, "pid:[1]")).toThrow(/PDPM_IN_USE/);
  other.release();
});
