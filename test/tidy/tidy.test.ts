// The style guide as a test: sizes, banned calls, marks that never land, and opening comments.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { foldersIn, isTest, placesOf, sourceFiles, top } from "./files.ts";

const LINES_MAX = 400;
const COLUMNS_MAX = 100;

const files = sourceFiles();
const products = files.filter(({ path }) => !isTest(path));

test("the tidy tests see the sources", () => {
  for (const name of foldersIn("packages")) {
    expect(files.some(({ path }) => path.startsWith(`packages/${name}/`))).toBe(true);
  }
});

test(`no source file is longer than ${LINES_MAX} lines`, () => {
  // A file's last line end makes an empty last line, which does not count.
  const long = files.filter(({ lines }) => lines.length - 1 > LINES_MAX);
  expect(long.map(({ path, lines }) => `${path}: ${lines.length - 1}`)).toEqual([]);
});

test(`no line is longer than ${COLUMNS_MAX} columns, but for a text that cannot be broken`, () => {
  expect(placesOf(new RegExp(`^[^"\`]{${COLUMNS_MAX + 1}}`, "u"), files)).toEqual([]);
});

test("only base touches the real clock, real timers and real randomness", () => {
  const others = products.filter(({ path }) => !path.startsWith("packages/base/src/"));
  const banned = /Math\.random\(|Date\.now\(|new Date\(|setTimeout\(|setInterval\(/;
  expect(placesOf(banned, others)).toEqual([]);
});

test("no unfinished work is marked instead of done", () => {
  // In brackets, so that this line does not find itself.
  expect(placesOf(/\b(TO[D]O|FIX[M]E)\b/, files)).toEqual([]);
});

test("no test is switched off, and none switches the others off", () => {
  expect(placesOf(/\.(only|skip|todo)\(/, files)).toEqual([]);
});

test("every source file of a package begins with a comment", () => {
  const sources = files.filter(({ path }) => /^packages\/[^/]+\/src\/.*\.ts$/.test(path));
  const bare = sources.filter(({ lines }) => !/^\/[/*]/.test(lines[0] ?? ""));
  expect(bare.map(({ path }) => path)).toEqual([]);
});

test("every package has a README", () => {
  const folders = foldersIn("packages").map((name) => `packages/${name}`);
  const without = folders.filter((folder) => !existsSync(join(top, folder, "README.md")));
  expect(without).toEqual([]);
});
