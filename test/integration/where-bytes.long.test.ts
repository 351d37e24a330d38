// Where the bytes are: a value stands in the PM file, in both of its spaces, and nowhere else; the
// file is really mapped by those who say so, really on the disk, and nobody else may read it.

import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { closeNode, startNode, urlOf } from "../support/memory-nodes.ts";
import { Scene } from "../support/processes.ts";

const scene = new Scene();

const putTwice = `
  const store = await openStore();
  await store.put("k", "needle-1");
  await store.put("k", "needle-2");
  say("put");
`;

/** Every file and folder below a directory. */
function allBelow(directory: string): { path: string; isFile: boolean }[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true }).map((entry) => ({
    path: join(entry.parentPath, entry.name),
    isFile: entry.isFile(),
  }));
}

function filesBelow(directory: string): string[] {
  return allBelow(directory).flatMap(({ path, isFile }) => (isFile ? [path] : []));
}

function timesIn(path: string, needle: string): number {
  const bytes = readFileSync(path);
  let times = 0;
  for (let at = bytes.indexOf(needle); at >= 0; at = bytes.indexOf(needle, at + 1)) times += 1;
  return times;
}

function expectNeedles(directory: string): void {
  const files = filesBelow(directory);
  const holders = files.filter((path) => timesIn(path, "needle-2") > 0);
  expect(holders.map((path) => path.slice(directory.length + 1))).toEqual(["region.pm"]);
  expect(timesIn(join(directory, "region.pm"), "needle-2")).toBe(2);
  expect(files.filter((path) => path.endsWith(".mdb"))).toEqual([]);
}

/** How process `pid` maps `path`: its permissions, each once. */
function mappingsOf(pid: number, path: string): string[] {
  const lines = readFileSync(`/proc/${pid}/maps`, "utf8").split("\n");
  const found = lines.filter((line) => line.endsWith(path)).map((line) => line.split(" ")[1]);
  return [...new Set(found as string[])];
}

test("an embedded value stands in region.pm twice and in no other file, open and closed", async () => {
  const directory = await scene.directory("disk");
  const given = { directory, options: { design: "direct", codec: "utf8" } };
  const child = scene.start(
    `${putTwice} heard.on("line", async () => { await store.close(); process.exit(0); });`,
    { given },
  );
  expect(await child.line()).toBe("put");
  expectNeedles(directory);
  expect(mappingsOf(child.pid, join(directory, "region.pm"))).toEqual(["rw-s"]);
  const { blocks, size } = statSync(join(directory, "region.pm"));
  expect(blocks * 512).toBeGreaterThanOrEqual(size);
  child.tell("close");
  expect(await child.end()).toEqual({ code: 0, signal: null });
  expectNeedles(directory);
});

test("what a store makes only its user may read", async () => {
  const parent = await scene.directory("disk");
  const directories = ["embedded", "served"].map((name) => join(parent, name));
  const [embedded, served] = directories as [string, string];
  const node = await startNode(scene, served);
  const clients = [
    { directory: embedded, options: { design: "direct", codec: "utf8" } },
    { url: urlOf(node.host), options: { transport: "mapped", codec: "utf8" } },
  ].map((given) => scene.start(putTwice, { given }));
  for (const client of clients) expect(await client.line()).toBe("put");
  for (const directory of directories) {
    expect((statSync(directory).mode & 0o777).toString(8)).toBe("700");
    for (const { path, isFile } of allBelow(directory)) {
      const mode = (statSync(path).mode & 0o777).toString(8);
      expect([path, mode]).toEqual([path, isFile ? "600" : "700"]);
    }
  }
});

test("a node and a mapped client map the file, a client over ws does not", async () => {
  const directory = await scene.directory("disk");
  const node = await startNode(scene, directory);
  const url = urlOf(node.host);
  const [mapped, far] = (["mapped", "ws"] as const).map((transport) =>
    scene.start(putTwice, { given: { url, options: { transport, codec: "utf8" } } }),
  ) as [ReturnType<Scene["start"]>, ReturnType<Scene["start"]>];
  expect([await mapped.line(), await far.line()]).toEqual(["put", "put"]);
  const path = join(directory, "region.pm");
  expect(mappingsOf(node.child.pid, path)).toEqual(["rw-s"]);
  expect(mappingsOf(mapped.pid, path)).toEqual(["rw-s"]);
  expect(mappingsOf(far.pid, path)).toEqual([]);
  expectNeedles(directory);
  const { blocks, size } = statSync(path);
  expect(blocks * 512).toBeGreaterThanOrEqual(size);
  await Promise.all([mapped.kill(), far.kill()]);
  await closeNode(node);
  expectNeedles(directory);
});
