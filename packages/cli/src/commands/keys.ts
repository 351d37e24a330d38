// `pdpm keys`: one key a line; with --json one JSON string a line, so that every key has one line
// and a key that is not UTF-8 is told from text: {"base64": "..."}.

import { whole } from "../option-values.ts";
import { isOutputWanted, writeData } from "../output.ts";
import { defineStore, withStore } from "../store-choice.ts";
import { exitCodes, type Verb } from "../verb.ts";

/** Written at once. */
const batchBytes = 65_536;

/** See the head of this file. */
export const verb: Verb = {
  define(command) {
    defineStore(command);
    command
      .option("--prefix <TEXT>", "only keys that begin with it")
      .option("--limit <N>", "at most this many", whole(0));
  },
  examples: `  $ pdpm keys --dir ./data
  $ pdpm keys --prefix user: --limit 10 --json --dir ./data
`,
  async run(given) {
    const json = given.options["json"] === true;
    const prefix = given.options["prefix"] as string | undefined;
    const limit = given.options["limit"] as number | undefined;
    await withStore(given, async (store, signal) => {
      let lines: Uint8Array[] = [];
      let bytes = 0;
      for await (const key of store.keys({ prefix, limit, signal })) {
        const line = json ? Buffer.from(`${jsonKey(key)}\n`) : Buffer.concat([keyBytes(key), end]);
        lines.push(line);
        bytes += line.length;
        if (bytes < batchBytes) continue;
        await writeData(Buffer.concat(lines));
        if (!isOutputWanted()) return;
        lines = [];
        bytes = 0;
      }
      await writeData(Buffer.concat(lines));
    });
    return exitCodes.ok;
  },
};

const end = Buffer.from("\n");

function keyBytes(key: string | Uint8Array): Uint8Array {
  return typeof key === "string" ? Buffer.from(key) : key;
}

function jsonKey(key: string | Uint8Array): string {
  if (typeof key === "string") return JSON.stringify(key);
  return JSON.stringify({ base64: Buffer.from(key).toString("base64") });
}
