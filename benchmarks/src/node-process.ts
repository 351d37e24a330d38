// A memory node in a process of its own, as it is in real life. This file is also that process: run
// as a program it serves DIR until its parent lets go of it.

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { MemoryNode } from "@pdpm/memory-node";

const self = fileURLToPath(import.meta.url);

/** A memory node that runs. */
export interface NodeProcess {
  /** `ws://HOST:PORT` */
  readonly url: string;
  /** Of the store on this node alone. */
  readonly storeUrl: string;
}

/** Lends one over `dir` to `work`. It ends with this process at the latest. */
export async function withNode<T>(
  dir: string,
  work: (node: NodeProcess) => Promise<T>,
): Promise<T> {
  const child: ChildProcess = fork(self, [dir]);
  const ended = once(child, "exit");
  try {
    const [url] = (await Promise.race([once(child, "message"), failure(child)])) as [string];
    return await work({ url, storeUrl: `${url.replace("ws:", "pdpm:")}?design=direct` });
  } finally {
    if (child.connected) child.disconnect();
    await ended;
  }
}

async function failure(child: ChildProcess): Promise<never> {
  const [code] = await once(child, "exit");
  throw new Error(`the memory node did not start; exit code ${code}`);
}

async function serve(dir: string): Promise<void> {
  const node = await MemoryNode.start({ dir });
  process.once("disconnect", () => void node.close());
  process.send?.(node.url);
}

if (process.argv[1] === self) await serve(process.argv[2] ?? "");
