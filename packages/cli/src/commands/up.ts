// `pdpm up`: a local cluster of real memory-node processes, until it is told to stop. Prints the
// URL of its store. Its nodes end with it, however it ends.

import { LocalCluster } from "../cluster.ts";
import { untilStopped } from "../interrupt.ts";
import { bytes, whole } from "../option-values.ts";
import { notice, writeJson, writeLine } from "../output.ts";
import { TemporaryFolder } from "../temporary-folder.ts";
import { exitCodes, type Verb } from "../verb.ts";

/** See the head of this file. */
export const verb: Verb = {
  define(command) {
    command
      .option("--nodes <N>", "memory nodes", whole(1, 64), 2)
      .option(
        "--dir <DIR>",
        "keeps their memory; without it a temporary folder, removed at the end",
      )
      .option("--port <N>", "the first node's; the others follow (any free ports)", whole(1, 65535))
      .option("--max-bytes <N>", "each node's memory grows no further, like 1GiB", bytes);
  },
  examples: `  $ pdpm up
  $ pdpm up --nodes 3 --dir ./cluster --port 7401
  $ PDPM_URL=$(pdpm up | head -1) ...                    # or read the first line of its output
`,
  async run({ options }) {
    const stopped = untilStopped();
    const dir = options["dir"] as string | undefined;
    const folder = dir === undefined ? await TemporaryFolder.make("up") : undefined;
    try {
      const cluster = await LocalCluster.start({
        dir: dir ?? (folder as TemporaryFolder).path,
        nodes: options["nodes"] as number,
        port: options["port"] as number | undefined,
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
  if (json) await writeJson({ url: cluster.url, nodes: cluster.nodes });
  else await writeLine(cluster.url);
  if (process.stderr.isTTY) notice(`export PDPM_URL='${cluster.url}'   # Ctrl-C ends the cluster`);
  const died = await Promise.race([stopped, cluster.died]);
  if (died === undefined) return exitCodes.ok;
  notice(`pdpm up: ${died}; the cluster ends`);
  return exitCodes.failed;
}
