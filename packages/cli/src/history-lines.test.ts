// Lines of files as they can come: across chunks, with and without line ends, broken and endless.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Prng } from "@pdpm/base";
import { afterAll, expect, test } from "vitest";
import { lineBytesMax, readLines } from "./history-lines.ts";

const folder = mkdtempSync(join(tmpdir(), "pdpm-lines-"));
afterAll(() => rmSync(folder, { recursive: true }));

async function linesOf(content: string | Uint8Array): Promise<(string | null)[]> {
  const path = join(folder, "file");
  writeFileSync(path, content);
  const found: (string | null)[] = [];
  for await (const lines of readLines(path)) {
    for (const { number, text, problem } of lines) {
      found.push(problem ?? text);
      expect(number).toBe(found.length);
    }
  }
  return found;
}

test("line ends of both kinds, empty lines, and a last line without an end", async () => {
  expect(await linesOf("")).toEqual([]);
  expect(await linesOf("\n")).toEqual([""]);
  expect(await linesOf("a\r\n\nб\n")).toEqual(["a", "", "б"]);
  expect(await linesOf("a\nb")).toEqual(["a", "b"]);
});

test("lines that cross the chunks of the file come whole", async () => {
  const prng = new Prng("lines");
  const lines = Array.from({ length: 3000 }, () => "ü".repeat(prng.below(500)));
  expect(await linesOf(`${lines.join("\n")}\n`)).toEqual(lines);
});

test("a line that is no text or has no end says so, and the next is read", async () => {
  const broken = Buffer.from([0x61, 0x0a, 0xff, 0xfe, 0x0a, 0x62, 0x0a]);
  expect(await linesOf(broken)).toEqual(["a", "not UTF-8", "b"]);
  const long = "longer than 1048576 bytes";
  const fits = "x".repeat(lineBytesMax);
  expect(await linesOf(`${fits}\n${fits}y\nb`)).toEqual([fits, long, "b"]);
  const endless = "x".repeat(5 * lineBytesMax);
  expect(await linesOf(`a\n${endless}\nb\n${endless}`)).toEqual(["a", long, "b", long]);
});
