// `pdpm up`: a local cluster of real processes, until it is told to stop: memory nodes and, where
// the design has one, a metadata server. Prints the URL of its store. They end with it, however it
// ends.

import type { Design } from "pdpm";
import { LocalCluster } from "../cluster.ts";
import { untilStopped } from "../interrupt.ts";
import { bytes, oneOf, whole } from "../option-values.ts";
import { notice, writeJson, writeLine } from "../output.ts";
import { designsHere } from "../store-choice.ts";
import { TemporaryFolder } from "../temporary-folder.ts";
import { exitCodes, type Verb } from "../verb.ts";

/** See the head of this file. */
export const verb: Verb = {
  define(command) {
    command
      .option("--design <NAME>", "direct, central or clover", oneOf(...designsHere), "clover")
      .option("--durability <power|process>", "of a new store", oneOf("power", "process"))
      .option("--nodes <N>", "memory nodes", whole(1, 64), 2)
      .option(
        "--dir <DIR>",
        "keeps their memory; without it a temporary folder, removed at the end",
      )
      .option(
        "--port <N>",
        "the first server's; the others follow (any free ports)",
        whole(1, 65535),
      )
      .option("--max-bytes <N>", "each node's memory grows no further, like 1GiB", bytes);
  },
  examples: `  $ pdpm up
  $ pdpm up --design direct --nodes 3 --dir ./cluster --port 7401
  $ PDPM_URL=$(pdpm up | head -1) ...                    # or read the first line of its output
`,
  async run({ options }) {
    const stopped = untilStopped();
    const dir = options["dir"] as string | undefined;
    const folder = dir === undefined ? await TemporaryFolder.make("up") : undefined;
    try {
      const design = options["design"] as Design;
      const port = options["port"] as number | undefined;
      const nodePort = port === undefined || design === "direct" ? port : port + 1;
      const cluster = await LocalCluster.start({
        design,
        durability: options["durability"] as string | undefined,
        dir: dir ?? (folder as TemporaryFolder).path,
        nodes: options["nodes"] as number,
        port: nodePort,
        serverPort: port,
        maxBytes: options["maxBytes"] as number | undefined,
      });
      try {
        return await serve(cluster, stopped, options["json"] === true);
      } finally {
        await cluster.stop();
      }
    } finally {
      await folder?.remove();
    }
  },
};

async function serve(cluster: LocalCluster, stopped: Promise<void>, json: boolean) {
  if (json)
    await writeJson({ url: cluster.url, nodes: cluster.nodes, server: cluster.server ?? null });
  else await writeLine(cluster.url);
  if (process.stderr.isTTY) notice(`export PDPM_URL='${cluster.url}'   # Ctrl-C ends the cluster`);
  const died = await Promise.race([stopped, cluster.died]);
  if (died === undefined) return exitCodes.ok;
  notice(`pdpm up: ${died}; the cluster ends`);
  return exitCodes.failed;
}
