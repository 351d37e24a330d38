// What npm and tsc are told about the packages agrees with itself.

import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { foldersIn, manifestOf, top } from "./files.ts";

const folders = [...foldersIn("packages").map((name) => `packages/${name}`), "benchmarks"];
const folderByName = new Map(folders.map((folder) => [manifestOf(folder).name, folder]));

/** The folders that a tsconfig.json refers to, seen from the top folder. */
function references(folder: string): string[] {
  const text = readFileSync(join(top, folder, "tsconfig.json"), "utf8");
  const config: { references?: { path: string }[] } = JSON.parse(text.replace(/^\s*\/\/.*$/gm, ""));
  return (config.references ?? []).map(({ path }) => join(folder, path)).sort();
}

test("every dependency is pinned exactly, and packages of ours to their one version", () => {
  const { version } = manifestOf(".");
  const loose = [".", ...folders].flatMap((folder) => {
    const { dependencies, devDependencies, overrides, version: own } = manifestOf(folder);
    const all = Object.entries({ ...dependencies, ...devDependencies, ...overrides });
    const wrong = all.filter(([name, wanted]) =>
      folderByName.has(name) ? wanted !== version : !/^\d+\.\d+\.\d+$/.test(wanted),
    );
    if (own !== version) wrong.push(["version", own]);
    return wrong.map(([name, wanted]) => `${folder}: ${name} ${wanted}`);
  });
  expect(loose).toEqual([]);
});

test("a package's project references are its dependencies among the packages", () => {
  for (const folder of folders) {
    const names = Object.keys(manifestOf(folder).dependencies ?? {});
    const wanted = names.flatMap((name) => folderByName.get(name) ?? []);
    expect(references(folder), folder).toEqual(wanted.sort());
  }
});

test("the build and the type check of the tests cover every package", () => {
  expect(references(".")).toEqual([...folders].sort());
  expect(references("test")).toEqual([...folders].sort());
});

test("the lockfile names no registry", () => {
  const lock = readFileSync(join(top, "package-lock.json"), "utf8");
  expect(lock.match(/"resolved": "[a-z+]+:/g)).toBeNull();
});

test("the command has its run bit, so that npx finds it right after npm ci", () => {
  expect(statSync(join(top, "packages/cli/bin/pdpm.js")).mode & 0o111).toBe(0o111);
});
