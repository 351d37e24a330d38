// A metadata server in this process: the metadata service over its own LMDB directory, served over
// ws, and the housekeeping that Clover's clients leave to it: it finds the dead, has them fenced at
// every memory node, and takes back what they held.
//
// What must hold: one server for one directory, held by a lock; and a directory for one store.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { PdpmError, Prng, systemClock } from "@pdpm/base";
import type { BackendCounters } from "@pdpm/kv";
import { regionHeaderBytes } from "@pdpm/layout/region-header";
import { Listener } from "@pdpm/metadata-server/listener";
import { RemoteService } from "@pdpm/metadata-server/remote";
import { FileLock } from "@pdpm/transport-mapped";
import { CounterTable } from "@pdpm/verbs";
import { CloverClient } from "./clover-client.ts";
import { connectAll, labelCluster } from "./cluster.ts";
import { ClusterMembership } from "./cluster-membership.ts";
import type { ClusterNode } from "./cluster-node.ts";
import { nodesUrl } from "./connect-metadata.ts";
import { openEmbeddedMetadata } from "./embedded-metadata.ts";
import type { FoundLabel } from "./label-nodes.ts";
import { mismatch } from "./new-store.ts";
import { type CheckedOptions, type ClientOptions, clientOptions } from "./options.ts";
import { requireLinux } from "./platform.ts";
import { parseUrl } from "./url.ts";

/** How a metadata server is started. */
export interface MetadataServerOptions {
  /** Where its metadata is kept; made if it is missing. */
  readonly dir: string;
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** `ws://host:port` of every memory node, in any order. */
  readonly memoryNodes: readonly string[];
  readonly design: "clover" | "central";
  /** Of a new store; and the deadline of what it asks of memory nodes. */
  readonly store?: Pick<ClientOptions, "durability" | "maxBytes" | "chunkBytes" | "timeoutMs">;
}

/** What a metadata server says of itself. */
export interface ServerReport {
  readonly role: "metadata-server" | "coordinator";
  readonly pid: number;
  /** User and system time of its process, in seconds. */
  readonly cpuSeconds: number;
  /** URLs of the store's memory nodes. */
  readonly memoryNodes: readonly string[];
  /** What it posted itself. */
  readonly counters: BackendCounters;
}

/** A running metadata server. */
export interface MetadataServer {
  readonly url: string;
  close(): Promise<void>;
}

/** The question that only a server answers. */
const reportQuestion = { ask: "server" } as const;

/**
 * Starts a metadata server.
 * @throws PDPM_IN_USE when another one has the directory or the port; PDPM_WRONG_STORE when the
 *   directory and the memory nodes are not of one store; PDPM_UNAVAILABLE when a node is.
 */
export async function startMetadataServer(options: MetadataServerOptions): Promise<MetadataServer> {
  requireLinux();
  const { dir, memoryNodes, design } = options;
  const checked = clientOptions({ ...options.store, design }, "connect");
  mkdirSync(join(dir, "locks"), { recursive: true });
  const lock = FileLock.take(join(dir, "locks", "metadata-server"), "exclusive");
  try {
    const { servers } = parseUrl(nodesUrl(memoryNodes), "direct");
    let janitor: CloverClient | undefined;
    const onFenced = (): void => janitor?.fenced();
    const connected = await connectAll(servers, systemClock, checked.timeoutMs, onFenced);
    try {
      const host = await openHost(options, checked, connected);
      janitor = host.janitor;
      return {
        url: host.listener.url,
        close: async () => {
          await host.listener.close();
          await host.janitor.backend.close(checked.timeoutMs);
          lock.release();
        },
      };
    } catch (error) {
      await closeAll(connected);
      throw error;
    }
  } catch (error) {
    lock.release();
    throw error;
  }
}

async function closeAll(nodes: readonly ClusterNode[]): Promise<void> {
  await Promise.all(nodes.map((node) => node.close()));
}

async function openHost(
  options: MetadataServerOptions,
  checked: CheckedOptions<unknown>,
  connected: readonly ClusterNode[],
): Promise<{ listener: Listener; janitor: CloverClient }> {
  const counters = new CounterTable();
  const { nodes, label } = await labelCluster(connected, counters, checked);
  const reason = mismatch(checked, label.label);
  if (reason !== null) throw new PdpmError("PDPM_WRONG_STORE", reason);
  for (const node of nodes) node.map(systemClock, "auto");
  const metadata = await openEmbeddedMetadata(options.dir, label, dataBytesOf(nodes, label));
  let listener: Listener | undefined;
  const janitor = await CloverClient.open({
    clock: systemClock,
    label: label.label,
    nodes: nodes.map(({ fabric }) => fabric),
    metadata: metadata.handle,
    membership: new ClusterMembership(systemClock, nodes),
    looks: true,
    heardAt: (id) => listener?.heardAt(id) ?? 0,
    cursors: checked.cursors,
    timeoutMs: checked.timeoutMs,
    counters,
    end: async () => {
      await closeAll(nodes);
      await metadata.close();
    },
  });
  const urls = nodes.map(({ address }) => `ws://${address.text}`);
  try {
    listener = await Listener.start({
      at: { host: options.host, port: options.port },
      clock: systemClock,
      hello: {
        protocol: 1,
        storeId: label.storeId.toString(16).padStart(16, "0"),
        design: options.design,
        pid: process.pid,
        features: [],
        credential: "",
        memoryNodes: urls,
      },
      handle: async (request) => {
        if ((request as { ask?: unknown } | null)?.ask !== reportQuestion.ask) {
          return metadata.handle(request);
        }
        return reportOf(options.design, urls, janitor);
      },
    });
  } catch (error) {
    await janitor.backend.close(checked.timeoutMs);
    throw error;
  }
  return { listener, janitor };
}

/** What the memory nodes have beside their headers and the root chunk. */
function dataBytesOf(nodes: readonly ClusterNode[], { label }: FoundLabel): number {
  const bytes = nodes.map(({ ws }) => ws.hello.sizeBytes - regionHeaderBytes);
  return Math.max(0, bytes.reduce((sum, each) => sum + each, 0) - label.chunkBytes);
}

function reportOf(
  design: "clover" | "central",
  memoryNodes: readonly string[],
  janitor: CloverClient,
): ServerReport {
  const { user, system } = process.cpuUsage();
  return {
    role: design === "central" ? "coordinator" : "metadata-server",
    pid: process.pid,
    cpuSeconds: (user + system) / 1e6,
    memoryNodes,
    counters: janitor.backend.counters(),
  };
}

/** Asks the metadata server at `url` (ws://host:port) about itself. */
export async function serverReport(url: string): Promise<ServerReport> {
  const remote = await RemoteService.connect({
    url,
    clock: systemClock,
    prng: Prng.random(),
    timeoutMs: 5000,
  });
  try {
    return (await remote.call(reportQuestion, true)) as ServerReport;
  } finally {
    await remote.close();
  }
}
