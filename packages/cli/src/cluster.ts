// A cluster on this host: memory nodes and, where the design has one, a metadata server; real
// processes, started and ended together. And what the servers of any cluster say of themselves.

import { join } from "node:path";
import { type NodeStats, WsNode } from "@pdpm/transport-ws";
import type { Design } from "pdpm";
import { type ServerReport, serverReport } from "pdpm/server";
import { Child, exitText } from "./child.ts";

/** How a cluster is started. */
export interface ClusterOptions {
  readonly design: Design;
  /** Of a new store. */
  readonly durability?: string | undefined;
  /** Holds one folder per node: node-0, node-1, ... */
  readonly dir: string;
  readonly nodes: number;
  /** How the metadata server or coordinator reaches the nodes. @defaultValue "auto" */
  readonly serverTransport?: string | undefined;
  /** Of the metadata server; any free port without it. */
  readonly serverPort?: number | undefined;
  /** Of the first node; any free ports without it. */
  readonly port?: number | undefined;
  /** Of each node. */
  readonly maxBytes?: number | undefined;
}

/** A server of ours. */
export interface LocalServer {
  readonly url: string;
  readonly dir: string;
  readonly pid: number;
}

/** What the servers of a cluster say of themselves. */
export interface ClusterStats {
  /** In the order of their ids, as far as it is known. */
  readonly nodes: readonly NodeStats[];
  /** Null for Direct, which has none. */
  readonly server: ServerReport | null;
}

/** See the head of this file. */
export class LocalCluster {
  readonly design: Design;
  readonly nodes: readonly LocalServer[];
  /** The metadata server, where there is one. */
  readonly server: LocalServer | undefined;
  /** Resolves with a sentence when one of them ends by itself; stays open otherwise. */
  readonly died: Promise<string>;
  readonly #children: readonly Child[];
  #isStopping = false;

  private constructor(
    design: Design,
    children: readonly Child[],
    nodes: readonly LocalServer[],
    server: LocalServer | undefined,
  ) {
    this.design = design;
    this.#children = children;
    this.nodes = nodes;
    this.server = server;
    this.died = new Promise((resolve) => {
      for (const child of children) {
        void child.exited.then((exit) => {
          if (!this.#isStopping) resolve(`${child.name} (pid ${child.pid}) ${exitText(exit)}`);
        });
      }
    });
  }

  /** Starts the nodes side by side, then the metadata server. If one fails all are ended. */
  static async start(options: ClusterOptions): Promise<LocalCluster> {
    const children = Array.from({ length: options.nodes }, (_, index) => nodeOf(options, index));
    try {
      const lines = await Promise.all(children.map((child) => child.firstLine()));
      const nodes = lines.map((line) => JSON.parse(line) as LocalServer);
      let server: LocalServer | undefined;
      if (options.design !== "direct") {
        const child = serverOf(options, nodes);
        children.push(child);
        server = JSON.parse(await child.firstLine()) as LocalServer;
      }
      return new LocalCluster(options.design, children, nodes, server);
    } catch (error) {
      await stopAll(children);
      throw error;
    }
  }

  /** The URL of the store on this cluster. */
  get url(): string {
    if (this.server !== undefined) return `pdpm://${hostOf(this.server.url)}`;
    return `pdpm://${this.nodes.map(({ url }) => hostOf(url)).join(",")}?design=direct`;
  }

  /** Ends the servers and waits until they are gone. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await stopAll(this.#children);
  }
}

/** The metadata server goes first: it still has something to tell the memory nodes. */
async function stopAll(children: readonly Child[]): Promise<void> {
  const servers = children.filter(({ name }) => !name.startsWith("memory node"));
  await Promise.all(servers.map((child) => child.stop()));
  await Promise.all(children.map((child) => child.stop()));
}

function nodeOf({ dir, port, maxBytes }: ClusterOptions, index: number): Child {
  const listen = `ws://127.0.0.1:${port === undefined ? 0 : port + index}`;
  const words = ["memory-node", "--dir", join(dir, `node-${index}`), "--listen", listen];
  if (maxBytes !== undefined) words.push("--max-bytes", String(maxBytes));
  return new Child(`memory node ${index}`, [...words, "--json"]);
}

function serverOf(options: ClusterOptions, nodes: readonly LocalServer[]): Child {
  const { design, dir, serverPort = 0, serverTransport = "auto", durability } = options;
  const name = design === "central" ? "coordinator" : "metadata-server";
  const urls = nodes.map(({ url }) => url).join(",");
  const listen = `ws://127.0.0.1:${serverPort}`;
  const words = [name, "--dir", join(dir, "server"), "--memory-nodes", urls, "--listen", listen];
  words.push("--transport", serverTransport);
  if (durability !== undefined) words.push("--durability", durability);
  return new Child(name, [...words, "--json"]);
}

function hostOf(url: string): string {
  return url.replace(/^ws:\/\//, "");
}

/** What the servers of the store at `url` count. */
export async function clusterStatsOf(url: string): Promise<ClusterStats> {
  const hosts = url.replace(/^pdpm:\/\//, "").replace(/[/?].*$/, "");
  if (/[?&]design=direct/.test(url)) {
    const nodes = hosts.split(",").map((host) => statsOf(`ws://${host}`));
    return { nodes: await Promise.all(nodes), server: null };
  }
  const server = await serverReport(`ws://${hosts}`);
  return { nodes: await Promise.all(server.memoryNodes.map(statsOf)), server };
}

async function statsOf(url: string): Promise<NodeStats> {
  const node = await WsNode.connect({ url });
  try {
    return await node.stats();
  } finally {
    await node.close();
  }
}
