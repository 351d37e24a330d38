// `pdpm delete KEY`.

import { reportMissing } from "../failure.ts";
import { whole } from "../option-values.ts";
import { writeJson } from "../output.ts";
import { defineStore, withStore } from "../store-choice.ts";
import { exitCodes, type Verb } from "../verb.ts";

/** See the head of this file. */
export const verb: Verb = {
  define(command) {
    defineStore(command);
    command.option("--if-version <N>", "delete only if the key has this version", whole(0));
  },
  examples: `  $ pdpm delete greeting --dir ./data
  $ pdpm delete greeting --if-version 3 --dir ./data     # exit code 4 if it has changed
`,
  async run(given) {
    const [key = ""] = given.args;
    const ifVersion = given.options["ifVersion"] as number | undefined;
    const deleted = await withStore(given, (store, signal) =>
      store.delete(key, { ifVersion, signal }),
    );
    const json = given.options["json"] === true;
    if (!deleted) return reportMissing("delete", key, json);
    if (json) await writeJson({ key, deleted });
    return exitCodes.ok;
  },
};
