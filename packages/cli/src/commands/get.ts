// `pdpm get KEY`: the value as it is, byte for byte; a line end is added on a terminal only.

import { reportMissing } from "../failure.ts";
import { jsonBytes, writeData, writeJson } from "../output.ts";
import { defineStore, withStore } from "../store-choice.ts";
import { exitCodes, type Verb } from "../verb.ts";

/** See the head of this file. */
export const verb: Verb = {
  define: defineStore,
  examples: `  $ pdpm get greeting --dir ./data
  $ pdpm get picture --dir ./data > picture.png
  $ pdpm get greeting --json --url pdpm://127.0.0.1:7401?design=direct
`,
  async run(given) {
    const [key = ""] = given.args;
    const entry = await withStore(given, (store, signal) => store.getEntry(key, { signal }));
    const json = given.options["json"] === true;
    if (entry === undefined) return reportMissing("get", key, json);
    const { value, version } = entry;
    if (json) await writeJson({ key, value: jsonBytes(value), version });
    else await writeData(process.stdout.isTTY ? Buffer.concat([value, Buffer.from("\n")]) : value);
    return exitCodes.ok;
  },
};
