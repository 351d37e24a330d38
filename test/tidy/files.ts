// The project's own files, for the tests that read them as text.

import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";

/** The repository's top folder. */
export const top = join(import.meta.dirname, "../..");

const ignoredFolders = new Set(["node_modules", "dist", "fixtures", ".git"]);

/** One text file: its path from the top folder, with forward slashes, and its lines. */
export interface TextFile {
  readonly path: string;
  readonly lines: readonly string[];
}

/** Names of the folders directly under `folder`. */
export function foldersIn(folder: string): string[] {
  const entries = readdirSync(join(top, folder), { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
}

/** Paths of the files under `folder`, at any depth. */
function pathsUnder(folder: string): string[] {
  const entries = readdirSync(folder, { withFileTypes: true });
  return entries.flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return ignoredFolders.has(entry.name) ? [] : pathsUnder(path);
    return [path];
  });
}

/** Every source file of packages, benchmarks and tests. */
export function sourceFiles(): TextFile[] {
  return ["packages", "benchmarks", "test"].flatMap((folder) => textFiles(top, folder));
}

/** The source files under a folder of `base`, with their paths seen from `base`. */
export function textFiles(base: string, folder: string): TextFile[] {
  return pathsUnder(join(base, folder))
    .filter((path) => /\.(ts|mts|js|mjs|cjs)$/.test(path))
    .map((path) => ({
      path: relative(base, path),
      lines: readFileSync(path, "utf8").split("\n"),
    }));
}

/** True for code that only tests run: beside a source, an exported contract suite, or in test/. */
export function isTest(path: string): boolean {
  return /\.test\.ts$|\/src\/contract[a-z-]*\.ts$|^test\//.test(path);
}

/** Places where `pattern` matches, as `path:line`. */
export function placesOf(pattern: RegExp, files: readonly TextFile[]): string[] {
  return files.flatMap(({ path, lines }) =>
    lines.flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}`] : [])),
  );
}

/** A package.json, as far as the tests look at it. */
export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly overrides?: Readonly<Record<string, string>>;
}

/** The package.json of a folder. */
export function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(join(top, folder, "package.json"), "utf8"));
}
