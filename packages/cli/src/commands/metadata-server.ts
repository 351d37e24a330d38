// `pdpm metadata-server`: the metadata server of a store, until it is told to stop. For Central it
// is the coordinator (`pdpm coordinator`). Prints one line with its URL when it serves. One that
// was started by `up` or by a bench ends with its parent.

import type { ClientOptions } from "pdpm";
import { startMetadataServer } from "pdpm/server";
import { untilStopped } from "../interrupt.ts";
import { bytes, oneOf } from "../option-values.ts";
import { notice, writeJson, writeLine } from "../output.ts";
import { transportName } from "../store-choice.ts";
import { exitCodes, type Given, type Verb } from "../verb.ts";
import { listenAddress } from "./memory-node.ts";

/** See the head of this file. */
export const verb: Verb = {
  define(command) {
    command
      .requiredOption("--dir <DIR>", "where its metadata is kept; made if it is missing")
      .requiredOption("--memory-nodes <URLS>", "ws://HOST:PORT of every memory node, with commas")
      .option("--listen <URL>", "ws://HOST:PORT; port 0 takes a free one", "ws://127.0.0.1:0")
      .option("--transport <auto|mapped|ws>", "how it reaches memory nodes", transportName, "auto")
      .option("--design <clover|central>", "of the store", oneOf("clover", "central"), "clover")
      .option("--durability <power|process>", "of a new store (power)", oneOf("power", "process"))
      .option("--max-bytes <N>", "of a new store: the most it may take, like 64MiB", bytes)
      .option("--chunk-bytes <N>", "of a new store: 4MiB to 64MiB, a power of two", bytes);
  },
  examples: `  $ pdpm metadata-server --dir ./meta --listen ws://127.0.0.1:7400 \\
      --memory-nodes ws://127.0.0.1:7401,ws://127.0.0.1:7402
`,
  run: (given) => serve(given, given.options["design"] as "clover" | "central"),
};

/** Serves until it is told to stop. */
export async function serve({ options }: Given, design: "clover" | "central"): Promise<number> {
  const dir = options["dir"] as string;
  const { durability, maxBytes, chunkBytes, transport } = options;
  const stopped = untilStopped();
  const server = await startMetadataServer({
    dir,
    ...listenAddress(options["listen"] as string),
    memoryNodes: (options["memoryNodes"] as string).split(","),
    design,
    store: { durability, maxBytes, chunkBytes, transport } as ClientOptions,
    say: (line) => notice(`pdpm: ${line}`),
  });
  try {
    if (options["json"] === true) await writeJson({ url: server.url, dir, pid: process.pid });
    else await writeLine(server.url);
    await stopped;
  } finally {
    await server.close();
    if (process.connected) process.disconnect();
  }
  return exitCodes.ok;
}
