// Reads the worked examples of FORMAT.md, so that tests can decode the very bytes that people read.

import { readFileSync } from "node:fs";
import { assert } from "@pdpm/base";

/**
 * The bytes of the block that starts with ```hex NAME. Text behind `|` on a line is commentary.
 */
export function formatExample(name: string): Uint8Array {
  const text = readFileSync(new URL("../FORMAT.md", import.meta.url), "utf8");
  const start = text.indexOf(`\`\`\`hex ${name}\n`);
  assert(start >= 0, `FORMAT.md has no example named ${name}`);
  const block = text.slice(text.indexOf("\n", start) + 1, text.indexOf("```", start + 3));
  const digits = block
    .split("\n")
    .map((line) => line.split("|")[0] ?? "")
    .join("")
    .replace(/\s+/g, "");
  assert(/^([0-9a-f]{2})+$/.test(digits), `example ${name} is not hexadecimal: ${digits}`);
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}
