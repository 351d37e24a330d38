// `pdpm put KEY [VALUE]`: writes a value, from the argument or from stdin, byte for byte. Makes the
// store if there is none.

import { PdpmError } from "@pdpm/base";
import { valueBytesMost } from "@pdpm/kv";
import { usageError } from "../failure.ts";
import { whole } from "../option-values.ts";
import { writeJson, writeLine } from "../output.ts";
import { defineStore, withStore } from "../store-choice.ts";
import { exitCodes, type Verb } from "../verb.ts";

/** See the head of this file. */
export const verb: Verb = {
  define(command) {
    defineStore(command);
    const text = "write only if the key has this version; 0: only if it does not exist";
    command.option("--if-version <N>", text, whole(0));
  },
  examples: `  $ pdpm put greeting hello --dir ./data
  $ pdpm put picture --dir ./data < picture.png
  $ pdpm put greeting hi --if-version 1 --dir ./data     # exit code 4 if it has changed
`,
  async run(given) {
    const [key = "", text] = given.args;
    const value = text === undefined ? await readStdin() : new TextEncoder().encode(text);
    const ifVersion = given.options["ifVersion"] as number | undefined;
    const { version } = await withStore(
      given,
      (store, signal) => store.put(key, value, { ifVersion, signal }),
      { create: true },
    );
    if (given.options["json"] === true) await writeJson({ key, version });
    else await writeLine(`version ${version}`);
    return exitCodes.ok;
  },
};

/** All of stdin, no further than the longest value goes. */
async function readStdin(): Promise<Uint8Array> {
  if (process.stdin.isTTY) throw usageError("give a VALUE, or the value on stdin");
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of process.stdin as AsyncIterable<Uint8Array>) {
    parts.push(part);
    bytes += part.length;
    if (bytes > valueBytesMost) {
      const text = `the value on stdin is over the limit of ${valueBytesMost} bytes`;
      throw new PdpmError("PDPM_INVALID_ARGUMENT", text);
    }
  }
  return Buffer.concat(parts);
}
