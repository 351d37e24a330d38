// The command line on one store: what it prints where, its exit codes, binary values, bad input.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Scene } from "../support/processes.ts";
import { pdpm } from "./cli-runs.ts";

const scene = new Scene();

test("a value that is put is got by the next process, and the exit codes say what was not", async () => {
  const dir = join(await scene.directory("memory"), "data");
  const run = (...words: string[]) => pdpm(scene, [...words, "--dir", dir]);
  expect(await run("get", "k")).toMatchObject({ code: 1, stdout: "" });
  // Looking does not make a store.
  expect(existsSync(dir)).toBe(false);
  expect(await run("put", "greeting", "hello")).toMatchObject({ code: 0, stdout: "version 1\n" });
  expect(await run("get", "greeting")).toMatchObject({ code: 0, stdout: "hello", stderr: "" });
  const missing = await run("get", "nobody");
  expect(missing).toMatchObject({ code: 3, stdout: "" });
  expect(missing.stderr).toBe('pdpm get: no key "nobody"\n');
  expect(await run("put", "greeting", "hi", "--if-version", "0")).toMatchObject({ code: 4 });
  expect(await run("put", "greeting", "hi", "--if-version", "1")).toMatchObject({ code: 0 });
  expect(await run("delete", "greeting", "--if-version", "1")).toMatchObject({ code: 4 });
  expect(await run("delete", "greeting")).toMatchObject({ code: 0, stdout: "" });
  expect(await run("delete", "greeting")).toMatchObject({ code: 3 });
});

test("every byte goes in through stdin and comes out again", async () => {
  const dir = await scene.directory("memory");
  const value = Buffer.from(Array.from({ length: 70_000 }, (_, i) => (i * 31) & 0xff));
  const put = await pdpm(scene, ["put", "bytes", "--dir", dir], { input: value });
  expect(put).toMatchObject({ code: 0 });
  const got = await pdpm(scene, ["get", "bytes", "--dir", dir]);
  expect(got.bytes.equals(value)).toBe(true);
  const json = await pdpm(scene, ["get", "bytes", "--json", "--dir", dir]);
  const { value: shown, version } = JSON.parse(json.stdout);
  expect(Buffer.from(shown.base64, "base64").equals(value)).toBe(true);
  expect(version).toBe(1);
  await pdpm(scene, ["put", "empty", "--dir", dir], { input: Buffer.alloc(0) });
  expect(await pdpm(scene, ["get", "empty", "--dir", dir])).toMatchObject({ code: 0, stdout: "" });
  const tooLong = { input: Buffer.alloc(1_048_577) };
  const refused = await pdpm(scene, ["put", "long", "--dir", dir], tooLong);
  expect(refused).toMatchObject({ code: 2 });
  expect(refused.stderr).toContain("1048576");
});

test("keys come with prefix and limit, as text and as JSON lines", async () => {
  const dir = await scene.directory("memory");
  const { open } = await import("pdpm");
  const store = await open<string>(dir, { codec: "utf8" });
  for (const key of ["a/1", "a/2", "b/1", "new\nline"]) await store.put(key, key);
  await store.put(Uint8Array.of(0xff, 0x00), "bytes");
  await store.close();
  const run = (...words: string[]) => pdpm(scene, ["keys", ...words, "--dir", dir]);
  expect((await run("--prefix", "a/")).stdout.split("\n").sort()).toEqual(["", "a/1", "a/2"]);
  expect((await run("--limit", "2", "--json")).stdout.trim().split("\n")).toHaveLength(2);
  const lines = (await run("--json")).stdout.trim().split("\n");
  expect(lines.map((line) => JSON.parse(line))).toEqual(
    expect.arrayContaining(["a/1", "a/2", "b/1", "new\nline", { base64: "/wA=" }]),
  );
  expect(lines).toHaveLength(5);
  const stats = JSON.parse((await pdpm(scene, ["stats", "--json", "--dir", dir])).stdout);
  expect(stats).toMatchObject({ design: "clover", space: { cellsLive: 5 } });
});

const usage: readonly (readonly [words: string[], says: string])[] = [
  [[], "Usage"],
  [["frobnicate"], "unknown command"],
  [["get"], "missing required argument"],
  [["get", "k"], "--dir"],
  [["get", "k", "--dir", "d", "--url", "pdpm://h:1"], "not both"],
  [["get", "k", "--foo"], "--foo"],
  [["get", "k", "--url", "http://h:1"], "pdpm://"],
  [["get", "k", "--url", "pdpm://h"], "port"],
  [["get", "k", "--url", "pdpm://h:7401,h:7402"], "direct"],
  [["get", "k", "--dir", "d", "--timeout-ms", "soon"], "--timeout-ms"],
  [["get", "k", "--dir", "d", "--transport", "sim"], "later version"],
  [["put", "k", "v", "--dir", "d", "--design", "redis"], "direct"],
  [["put", "k", "v", "--dir", "d", "--max-bytes", "lots"], "64MiB"],
  [["put", "k", "v", "--dir", "d", "--if-version", "-1"], "--if-version"],
  [["put", "k", "v", "--dir", "d", "--chunk-bytes", "5MiB"], "power of two"],
  [["memory-node", "--dir", "d", "--listen", "nowhere"], "ws://HOST:PORT"],
  [["memory-node", "--dir", "d", "--listen", "ws://0.0.0.0:7401"], "loopback"],
  [["bench", "--workload", "z"], "--workload"],
  [["bench", "--report", "r.html"], "later version"],
  [["bench", "--transport", "sim"], "later version"],
  [["bench", "--value-bytes", "4"], "--value-bytes"],
  [["compare", "--figure", "7"], "later version"],
  [["fsck", "d", "--repair"], "--yes"],
  [["evict", "me", "--dir", "d"], "process id"],
];

for (const [words, says] of usage) {
  test(`pdpm ${words.join(" ")}: exit code 2, and a line that says what to do`, async () => {
    const { code, stdout, stderr } = await pdpm(scene, words);
    expect(code, stderr).toBe(2);
    expect(stdout).toBe("");
    expect(stderr).toContain(says);
    if (words.length > 0) expect(stderr.trimEnd().split("\n")).toHaveLength(1);
  });
}

test("with --json an error is one object on stderr", async () => {
  const dir = await scene.directory("memory");
  const bad = await pdpm(scene, ["get", "k", "--dir", dir, "--json"]);
  expect(bad).toMatchObject({ code: 1, stdout: "" });
  const { error } = JSON.parse(bad.stderr);
  expect(error).toMatchObject({ code: "PDPM_WRONG_STORE", outcome: "not-applied" });
  expect(error.action).toBe("fix-call");
  const flag = await pdpm(scene, ["get", "k", "--foo", "--json"]);
  expect(JSON.parse(flag.stderr).error.code).toBe("PDPM_INVALID_ARGUMENT");
});

test("a byte that was changed on the disk is exit code 6, naming the key", async () => {
  const dir = await scene.directory("memory");
  await pdpm(scene, ["put", "precious", "needle in the haystack", "--dir", dir]);
  const path = join(dir, "region.pm");
  const bytes = readFileSync(path);
  for (let at = bytes.indexOf("needle"); at >= 0; at = bytes.indexOf("needle", at)) {
    bytes[at] = 0x4e;
  }
  writeFileSync(path, bytes);
  const got = await pdpm(scene, ["get", "precious", "--dir", dir]);
  expect(got).toMatchObject({ code: 6, stdout: "" });
  expect(got.stderr).toContain("precious");
});
