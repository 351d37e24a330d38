// Memory nodes as processes of their own, and the URL of the store on them.

import type { NodeStats } from "@pdpm/transport-ws";
import { WsNode } from "@pdpm/transport-ws";
import type { Child, Scene } from "./processes.ts";

const script = `
  const { MemoryNode } = await import("@pdpm/memory-node");
  const node = await MemoryNode.start(given.options);
  say({ url: node.url });
  heard.on("line", async () => {
    await node.close();
    process.exit(0);
  });
`;

/** One memory node's process. */
export interface NodeProcess {
  readonly child: Child;
  readonly host: string;
}

/** Starts a memory node over `dir`; a port of 0 takes any. */
export async function startNode(
  scene: Scene,
  dir: string,
  options: { readonly port?: number; readonly maxBytes?: number } = {},
): Promise<NodeProcess> {
  const child = scene.start(script, { given: { options: { dir, ...options } } });
  const { url } = await child.line<{ url: string }>();
  return { child, host: new URL(url).host };
}

/** Closes a memory node in good order. */
export async function closeNode({ child }: NodeProcess): Promise<void> {
  child.tell("close");
  const exit = await child.end();
  if (exit.code !== 0)
    throw new Error(`a memory node ended with ${JSON.stringify(exit)}: ${child.errors}`);
}

/** The URL of a Direct store on these hosts. */
export function urlOf(...hosts: readonly string[]): string {
  return `pdpm://${hosts.join(",")}?design=direct`;
}

/** What a node has counted so far. */
export async function nodeStats(host: string): Promise<NodeStats> {
  const node = await WsNode.connect({ url: `ws://${host}` });
  try {
    return await node.stats();
  } finally {
    await node.close();
  }
}
