// `pdpm memory-node`: serves the memory of one directory until it is told to stop. Prints one line
// with its URL when it serves. A node that was started by `up` or by a bench ends with its parent.

import { MemoryNode } from "@pdpm/memory-node";
import { usageError } from "../failure.ts";
import { untilStopped } from "../interrupt.ts";
import { bytes } from "../option-values.ts";
import { writeJson, writeLine } from "../output.ts";
import { exitCodes, type Verb } from "../verb.ts";

/** See the head of this file. */
export const verb: Verb = {
  define(command) {
    command
      .requiredOption("--dir <DIR>", "where its memory is kept; made if it is missing")
      .option("--listen <URL>", "ws://HOST:PORT; port 0 takes a free one", "ws://127.0.0.1:0")
      .option("--max-bytes <N>", "its memory grows no further, like 1GiB", bytes);
  },
  examples: `  $ pdpm memory-node --dir ./node-0 --listen ws://127.0.0.1:7401
  $ pdpm memory-node --dir /dev/shm/node-1 --listen ws://127.0.0.1:0 --max-bytes 1GiB
`,
  async run({ options }) {
    const dir = options["dir"] as string;
    const maxBytes = options["maxBytes"] as number | undefined;
    const listen = listenAddress(options["listen"] as string);
    const stopped = untilStopped();
    const node = await MemoryNode.start({ dir, ...listen, ...(maxBytes && { maxBytes }) });
    try {
      if (options["json"] === true) await writeJson({ url: node.url, dir, pid: process.pid });
      else await writeLine(node.url);
      await stopped;
    } finally {
      await node.close();
      if (process.connected) process.disconnect();
    }
    return exitCodes.ok;
  },
};

/** Reads ws://HOST:PORT. */
export function listenAddress(text: string): { host: string; port: number } {
  const [, host, port] = /^ws:\/\/(\[[^\]]+\]|[^/?#@:[\]]+):(\d{1,5})\/?$/.exec(text) ?? [];
  if (host === undefined) throw usageError(`--listen "${text}" is not ws://HOST:PORT`);
  return { host: host.replace(/^\[|\]$/g, ""), port: Number(port) };
}
