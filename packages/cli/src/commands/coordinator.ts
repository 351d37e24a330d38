// `pdpm coordinator`: the metadata server of a Central store, which there does everything for the
// clients.

import { bytes, oneOf } from "../option-values.ts";
import { transportName } from "../store-choice.ts";
import type { Verb } from "../verb.ts";
import { serve } from "./metadata-server.ts";

/** See the head of this file. */
export const verb: Verb = {
  define(command) {
    command
      .requiredOption("--dir <DIR>", "where its mapping table is kept; made if it is missing")
      .requiredOption("--memory-nodes <URLS>", "ws://HOST:PORT of every memory node, with commas")
      .option("--listen <URL>", "ws://HOST:PORT; port 0 takes a free one", "ws://127.0.0.1:0")
      .option("--transport <auto|mapped|ws>", "how it reaches memory nodes", transportName, "auto")
      .option("--durability <power|process>", "of a new store (power)", oneOf("power", "process"))
      .option("--max-bytes <N>", "of a new store: the most it may take, like 64MiB", bytes)
      .option("--chunk-bytes <N>", "of a new store: 4MiB to 64MiB, a power of two", bytes);
  },
  examples: `  $ pdpm coordinator --dir ./meta --listen ws://127.0.0.1:7400 \\
      --memory-nodes ws://127.0.0.1:7401,ws://127.0.0.1:7402
`,
  run: (given) => serve(given, "central"),
};
