// A cluster of memory nodes on this host: real processes, started and ended together; and what any
// cluster's nodes say of themselves.

import { join } from "node:path";
import { type NodeStats, WsNode } from "@pdpm/transport-ws";
import { Child, exitText } from "./child.ts";

/** How a cluster is started. */
export interface ClusterOptions {
  /** Holds one folder per node: node-0, node-1, ... */
  readonly dir: string;
  readonly nodes: number;
  /** Of the first node; any free ports without it. */
  readonly port?: number | undefined;
  /** Of each node. */
  readonly maxBytes?: number | undefined;
}

/** A node of ours. */
export interface LocalNode {
  readonly url: string;
  readonly dir: string;
  readonly pid: number;
}

/** See the head of this file. */
export class LocalCluster {
  readonly nodes: readonly LocalNode[];
  /** Resolves with a sentence when a node ends by itself; stays open otherwise. */
  readonly died: Promise<string>;
  readonly #children: readonly Child[];
  #isStopping = false;

  private constructor(children: readonly Child[], nodes: readonly LocalNode[]) {
    this.#children = children;
    this.nodes = nodes;
    this.died = new Promise((resolve) => {
      for (const child of children) {
        void child.exited.then((exit) => {
          if (!this.#isStopping) resolve(`${child.name} (pid ${child.pid}) ${exitText(exit)}`);
        });
      }
    });
  }

  /** Starts the nodes side by side. If one fails all are ended. */
  static async start({ dir, nodes, port, maxBytes }: ClusterOptions): Promise<LocalCluster> {
    const children = Array.from({ length: nodes }, (_, index) => {
      const listen = `ws://127.0.0.1:${port === undefined ? 0 : port + index}`;
      const words = ["memory-node", "--dir", join(dir, `node-${index}`), "--listen", listen];
      if (maxBytes !== undefined) words.push("--max-bytes", String(maxBytes));
      return new Child(`memory node ${index}`, [...words, "--json"]);
    });
    try {
      const lines = await Promise.all(children.map((child) => child.firstLine()));
      return new LocalCluster(
        children,
        lines.map((line) => JSON.parse(line) as LocalNode),
      );
    } catch (error) {
      await Promise.all(children.map((child) => child.stop()));
      throw error;
    }
  }

  /** The URL of the store on this cluster. */
  get url(): string {
    const hosts = this.nodes.map(({ url }) => url.replace(/^ws:\/\//, ""));
    return `pdpm://${hosts.join(",")}?design=direct`;
  }

  /** Ends the nodes and waits until they are gone. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.all(this.#children.map((child) => child.stop()));
  }
}

/** What the memory nodes of a store count, in the order of its URL. */
export function nodeStatsOf(url: string): Promise<NodeStats[]> {
  const hosts = url.replace(/^pdpm:\/\//, "").replace(/[/?].*$/, "");
  return Promise.all(hosts.split(",").map((host) => statsOf(`ws://${host}`)));
}

async function statsOf(url: string): Promise<NodeStats> {
  const node = await WsNode.connect({ url });
  try {
    return await node.stats();
  } finally {
    await node.close();
  }
}
