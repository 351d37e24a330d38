// `pdpm stats`: space of a store, what this command itself cost, and what its servers did.

import { clusterStatsOf } from "../cluster.ts";
import { writeJson, writeLine } from "../output.ts";
import { defineStore, storeChoice, withStore } from "../store-choice.ts";
import { exitCodes, type Verb } from "../verb.ts";

/** See the head of this file. */
export const verb: Verb = {
  define: defineStore,
  examples: `  $ pdpm stats --dir ./data
  $ pdpm stats --json --url pdpm://127.0.0.1:7400
`,
  async run(given) {
    const { url } = storeChoice(given);
    const stats = await withStore(given, async (store) => {
      const own = await store.stats();
      return url === undefined ? own : { ...own, ...(await clusterStatsOf(url)) };
    });
    if (given.options["json"] === true) await writeJson(stats);
    else for (const line of linesOf("", stats)) await writeLine(line);
    return exitCodes.ok;
  },
};

/** Every number and text of an object as "path value". */
function linesOf(path: string, value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [`${path} ${String(value)}`];
  return Object.entries(value).flatMap(([name, each]) =>
    linesOf(path === "" ? name : `${path}.${name}`, each),
  );
}
