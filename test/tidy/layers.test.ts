// The import rules, tested from both sides: the tree breaks none, and each break is reported.
// dependency-cruiser can be silently green (with TypeScript 7 it sees no module at all), so a run
// counts only if it saw every source file and resolved every import between packages.

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { sourceFiles, type TextFile, textFiles, top } from "./files.ts";

const MODULES_MIN = 20;
const fixtures = join(top, "test/fixtures/layers");

interface Cruise {
  readonly modules: readonly {
    readonly source: string;
    readonly dependencies: readonly { readonly module: string; readonly resolved: string }[];
  }[];
  readonly summary: {
    readonly violations: readonly { readonly from: string; readonly rule: { name: string } }[];
    readonly ruleSetUsed: { readonly forbidden: readonly { readonly name: string }[] };
  };
}

/** What dependency-cruiser reports for the folders, with the project's own configuration. */
function cruise(cwd: string, folders: readonly string[]): Cruise {
  const program = join(top, "node_modules/dependency-cruiser/bin/dependency-cruise.mjs");
  const options = ["--config", join(top, ".dependency-cruiser.cjs"), "--output-type", "json"];
  const text = execFileSync(process.execPath, [program, ...options, ...folders], {
    cwd,
    encoding: "utf8",
    maxBuffer: 64 << 20,
  });
  return JSON.parse(text);
}

/** Violations as `file: rule`, sorted. */
function broken({ summary }: Cruise): string[] {
  return summary.violations.map(({ from, rule }) => `${from}: ${rule.name}`).sort();
}

/** What the first line of a fixture says that it breaks. */
function promised({ path, lines }: TextFile): string[] {
  const rule = /^\/\/ Breaks: (\S+)$/.exec(lines[0] ?? "")?.[1];
  if (rule === undefined) throw new Error(`${path} does not say what it breaks`);
  return rule === "nothing" ? [] : [`${path}: ${rule}`];
}

const tree = cruise(top, ["packages", "benchmarks", "test"]);
const falseTree = cruise(fixtures, ["packages"]);

test("the cruise saw every source file", () => {
  const cruised = new Set(tree.modules.map(({ source }) => source));
  const missed = sourceFiles().filter(({ path }) => !cruised.has(path));
  expect(missed.map(({ path }) => path)).toEqual([]);
  expect(cruised.size).toBeGreaterThan(MODULES_MIN);
});

test("imports by package name were followed to the sources", () => {
  const named = tree.modules
    .flatMap(({ dependencies }) => dependencies)
    .filter(({ module }) => /^(@pdpm\/|pdpm$)/.test(module));
  expect(named.length).toBeGreaterThan(0);
  const lost = named.filter(({ resolved }) => !/^packages\/[^/]+\/src\/.*\.ts$/.test(resolved));
  expect(lost).toEqual([]);
});

test("no file breaks an import rule", () => {
  expect(broken(tree)).toEqual([]);
});

test("every planted break of an import rule is reported, and nothing else is", () => {
  const planted = textFiles(fixtures, "packages").flatMap(promised);
  expect(broken(falseTree)).toEqual(planted.sort());
});

test("every import rule has a planted break, and so has the layer rule itself", () => {
  const reported = new Set(falseTree.summary.violations.map(({ rule }) => rule.name));
  const rules = falseTree.summary.ruleSetUsed.forbidden.map(({ name }) => name);
  // The rows of the allow-list come from one line of code: some of them stand for all.
  const rows = /^layer-(?!unknown)/;
  expect(rules.filter((name) => !rows.test(name) && !reported.has(name))).toEqual([]);
  expect([...reported].filter((name) => rows.test(name)).length).toBeGreaterThan(2);
});
