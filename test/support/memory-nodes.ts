// Memory nodes as processes of their own, and the URL of the store on them.

import { join } from "node:path";
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

const serverScript = `
  const { startMetadataServer } = await import(given.module);
  const server = await startMetadataServer({ host: "127.0.0.1", port: 0, ...given.options });
  say({ url: server.url });
  heard.on("line", async () => {
    await server.close();
    process.exit(0);
  });
`;

/** Starts a metadata server (a coordinator, for Central) over these memory nodes. */
export async function startServer(
  scene: Scene,
  options: {
    readonly dir: string;
    readonly design: "clover" | "central";
    readonly memoryNodes: readonly string[];
    readonly port?: number;
    readonly store?: Readonly<Record<string, unknown>>;
  },
): Promise<NodeProcess> {
  const module = join(import.meta.dirname, "../../packages/client/dist/server.js");
  const child = scene.start(serverScript, { given: { module, options } });
  const { url } = await child.line<{ url: string }>();
  return { child, host: new URL(url).host };
}

/** A store of a design on so many memory nodes; returns its URL. */
export async function startStore(
  scene: Scene,
  design: "direct" | "central" | "clover",
  nodeCount: number,
  store: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  const hosts: string[] = [];
  for (let i = 0; i < nodeCount; i += 1) {
    hosts.push((await startNode(scene, await scene.directory("memory"))).host);
  }
  if (design === "direct") return urlOf(...hosts);
  const dir = await scene.directory("memory");
  const memoryNodes = hosts.map((host) => `ws://${host}`);
  return `pdpm://${(await startServer(scene, { dir, design, memoryNodes, store })).host}`;
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
