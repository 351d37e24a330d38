// Examples in the documents are run as they stand: what the README shows works.

import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, expect, test } from "vitest";

const root = join(import.meta.dirname, "../..");
const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** A folder inside the repository, so that `import "pdpm"` finds the workspace's build. */
function freshFolder(): string {
  const cache = join(root, "node_modules/.cache/pdpm");
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, "readme-"));
  folders.push(folder);
  return folder;
}

function firstExample(document: string): string {
  const [, code] = /```js\n([\s\S]*?)```/.exec(readFileSync(join(root, document), "utf8")) ?? [];
  expect(code, `${document} has an example`).toBeDefined();
  return code as string;
}

async function run(code: string): Promise<string> {
  const folder = freshFolder();
  writeFileSync(join(folder, "example.mjs"), code);
  const { stdout } = await promisify(execFile)(process.execPath, ["example.mjs"], {
    cwd: folder,
    timeout: 30_000,
  });
  return stdout;
}

test("the README's example runs and prints what it says", async () => {
  expect(await run(firstExample("README.md"))).toBe("1 2\nuser:1\n");
});

test("the library's README example runs", async () => {
  expect(await run(firstExample("packages/client/README.md"))).toBe("hello\n");
});
