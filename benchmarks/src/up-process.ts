// A local cluster in processes of its own: `pdpm up`, which ends them all.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("../../packages/cli/bin/pdpm.js", import.meta.url));

/** Lends the URL of a cluster of one memory node, with its files in `dir`, to `work`. */
export async function withCluster<T>(
  design: string,
  dir: string,
  work: (url: string) => Promise<T>,
): Promise<T> {
  const words = ["up", "--design", design, "--nodes", "1", "--dir", dir];
  const child = spawn(process.execPath, [program, ...words], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  const lines = createInterface(child.stdout);
  const first = await Promise.race([once(lines, "line"), ended]);
  const [url] = first as [unknown];
  if (typeof url !== "string") throw new Error(`pdpm up ended with ${String(url)}`);
  try {
    return await work(url);
  } finally {
    child.kill("SIGINT");
    await ended;
  }
}
