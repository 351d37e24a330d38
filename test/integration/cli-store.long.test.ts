// The command on stores that something happened to: damage, a stopped process, an interrupted put;
// and what it says of itself.

import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Scene } from "../support/processes.ts";
import { childrenOf, eventually, isAlive, pdpm, Running } from "./cli-runs.ts";

const scene = new Scene();

test("fsck finds what is wrong with a store, and mends it if told to", async () => {
  const dir = await scene.directory("memory");
  const fsck = (...words: string[]) => pdpm(scene, ["fsck", dir, ...words]);
  expect(await fsck()).toMatchObject({ code: 2, stdout: "" });
  for (const key of ["lost", "kept"])
    await pdpm(scene, ["put", key, `needle ${key}`, "--dir", dir, "--design", "direct"]);
  const sound = await fsck();
  expect(sound).toMatchObject({ code: 0 });
  expect(sound.stdout).toBe(`${dir}: sound; 2 keys in 2 chunks\n`);
  const path = join(dir, "region.pm");
  const bytes = readFileSync(path);
  for (let at = bytes.indexOf("needle lost"); at >= 0; at = bytes.indexOf("needle lost", at)) {
    bytes[at] = 0x4e;
  }
  writeFileSync(path, bytes);
  const found = await fsck("--json");
  expect(found).toMatchObject({ code: 6 });
  expect(JSON.parse(found.stdout).problems.join()).toContain("lost");
  expect(readFileSync(path).equals(bytes)).toBe(true);
  const mended = await fsck("--repair", "--yes");
  expect(mended.code, mended.stdout).toBe(0);
  expect(mended.stdout).toMatch(/^lost: .*lost/m);
  expect(await fsck()).toMatchObject({ code: 0 });
  const get = (key: string) => pdpm(scene, ["get", key, "--dir", dir]);
  expect(await get("lost")).toMatchObject({ code: 3 });
  expect(await get("kept")).toMatchObject({ code: 0, stdout: "needle kept" });
});

test("evict ends a stopped process that has the store open, and no other", async () => {
  const dir = await scene.directory("memory");
  const words = ["bench", "--dir", dir, "--records", "50", "--clients", "1", "--seconds", "60"];
  const bench = new Running(scene, words);
  let client = 0;
  await eventually(30_000, "a client at work", () => {
    client = childrenOf(bench.pid).find(({ command }) => /bench-client/.test(command))?.pid ?? 0;
    return existsSync(join(dir, "leases")) && readdirSync(join(dir, "leases")).length > 0;
  });
  const evict = (pid: number) => pdpm(scene, ["evict", String(pid), "--dir", dir]);
  expect(await evict(process.pid)).toMatchObject({ code: 2, stdout: "" });
  process.kill(client, "SIGSTOP");
  const evicted = await evict(client);
  expect(evicted.code, evicted.stderr).toBe(0);
  await eventually(5000, "its end", () => !isAlive(client));
  const { code, stderr } = await bench.end();
  expect({ code, stderr }).toMatchObject({ code: 5 });
  expect(stderr).toContain("ended");
  expect(await pdpm(scene, ["put", "k", "v", "--dir", dir])).toMatchObject({ code: 0 });
});

test("a put that was interrupted at its prompt ends by the signal and leaves the store usable", async () => {
  const dir = await scene.directory("memory");
  await pdpm(scene, ["put", "k", "v", "--dir", dir]);
  const running = new Running(scene, ["keys", "--dir", dir]);
  running.signal("SIGTERM");
  const { code, signal } = await running.end();
  expect(code === 0 || signal === "SIGTERM").toBe(true);
  await eventually(5000, "its end", () => !isAlive(running.pid));
  expect(await pdpm(scene, ["get", "k", "--dir", dir])).toMatchObject({ code: 0, stdout: "v" });
});

test("help and version are for people, on stdout, and end well", async () => {
  const version = await pdpm(scene, ["--version"]);
  expect(version).toMatchObject({ code: 0, stdout: "0.1.0\n" });
  const help = await pdpm(scene, ["--help"]);
  expect(help.code).toBe(0);
  const verbs = [...help.stdout.matchAll(/^ {2}([a-z-]+) /gm)].map(([, name]) => name as string);
  expect(verbs).toContain("compare");
  for (const verb of verbs.filter((name) => name !== "help")) {
    const { code, stdout } = await pdpm(scene, [verb, "--help"]);
    expect({ verb, code }).toEqual({ verb, code: 0 });
    expect(stdout).toContain("Examples:");
    expect(stdout).toContain("--json");
  }
});

test("a reader that goes away is no failure", async () => {
  const dir = await scene.directory("memory");
  const { open } = await import("pdpm");
  const store = await open<string>(dir, { codec: "utf8" });
  const entries = Array.from({ length: 3000 }, (_, i) => [`key ${"x".repeat(200)} ${i}`, ""]);
  await store.putMany(entries as [string, string][]);
  await store.close();
  const running = new Running(scene, ["keys", "--dir", dir]);
  running.hangUp();
  expect(await running.end()).toMatchObject({ code: 0, signal: null, stderr: "" });
});
