// A metadata server in this process: the metadata service over its own LMDB directory, served over
// ws. For Clover it does the housekeeping that clients leave to it: it finds the dead, has them
// fenced at every memory node, and takes back what they held. For Central it is the coordinator,
// and the service is its own affair.
//
// What must hold: one server for one directory, held by a lock; and a directory for one store. Who
// leaves in good order answers first what is under way: its listener ends after its resident, and
// before the nodes and the metadata that answers need.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { PdpmError, Prng, systemClock } from "@pdpm/base";
import type { Judgement } from "@pdpm/direct";
import type { BackendCounters } from "@pdpm/kv";
import { regionHeaderBytes } from "@pdpm/layout/region-header";
import { Listener } from "@pdpm/metadata-server/listener";
import { RemoteService } from "@pdpm/metadata-server/remote";
import { wireVersion } from "@pdpm/metadata-server/wire";
import { FileLock } from "@pdpm/transport-mapped";
import { CounterTable } from "@pdpm/verbs";
import { CentralOffice } from "./central-office.ts";
import { CloverClient } from "./clover-client.ts";
import { connectAll, labelCluster } from "./cluster.ts";
import { ClusterMembership } from "./cluster-membership.ts";
import type { ClusterNode } from "./cluster-node.ts";
import { nodesUrl } from "./connect-metadata.ts";
import { type EmbeddedMetadata, openEmbeddedMetadata } from "./embedded-metadata.ts";
import type { FoundLabel } from "./label-nodes.ts";
import { mismatch } from "./new-store.ts";
import {
  type CheckedOptions,
  type ClientOptions,
  clientOptions,
  cursorsDefault,
} from "./options.ts";
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
  /** Of a new store; how memory nodes are reached, and the deadline of what is asked of them. */
  readonly store?: Pick<
    ClientOptions,
    "durability" | "maxBytes" | "chunkBytes" | "timeoutMs" | "transport"
  >;
  /** Is told, in one line each, what whoever runs the server should know. */
  readonly say?: (line: string) => void;
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
    let resident: Resident | undefined;
    const onFenced = (): void => resident?.fenced();
    const connected = await connectAll(servers, systemClock, checked.timeoutMs, onFenced);
    try {
      const host = await openHost(options, checked, connected);
      resident = host.resident;
      return {
        url: host.listener.url,
        close: async () => {
          await host.resident.close(checked.timeoutMs);
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

/** The client of the memory nodes that lives in a server. */
interface Resident {
  /** Answers requests of clients. */
  handle(request: unknown): unknown;
  counters(): BackendCounters;
  /** A memory node refuses its id. */
  fenced(): void;
  close(timeoutMs: number): Promise<void>;
}

/** What a resident stands on. */
interface Grounds {
  readonly checked: CheckedOptions<unknown>;
  readonly nodes: readonly ClusterNode[];
  readonly label: FoundLabel;
  readonly metadata: EmbeddedMetadata;
  readonly counters: CounterTable;
  readonly heardAt: (id: number) => number;
  readonly say: (line: string) => void;
  readonly end: () => Promise<void>;
}

async function openHost(
  options: MetadataServerOptions,
  checked: CheckedOptions<unknown>,
  connected: readonly ClusterNode[],
): Promise<{ listener: Listener; resident: Resident }> {
  const counters = new CounterTable();
  const { nodes, label } = await labelCluster(connected, counters, checked);
  const reason = mismatch(checked, label.label);
  if (reason !== null) throw new PdpmError("PDPM_WRONG_STORE", reason);
  for (const node of nodes) node.map(systemClock, checked.transport);
  const metadata = await openEmbeddedMetadata(options.dir, label, dataBytesOf(nodes, label));
  let listener: Listener | undefined;
  const heardAt = (id: number): number => listener?.heardAt(id) ?? 0;
  const end = async (): Promise<void> => {
    await listener?.close();
    await closeAll(nodes);
    await metadata.close();
  };
  const say = options.say ?? (() => undefined);
  const grounds = { checked, nodes, label, metadata, counters, heardAt, say, end };
  const openResident = options.design === "central" ? openOffice : openJanitor;
  const resident = await openResident(grounds);
  const memoryNodes = nodes.map(({ address }) => `ws://${address.text}`);
  try {
    listener = await Listener.start({
      at: { host: options.host, port: options.port },
      clock: systemClock,
      hello: {
        protocol: wireVersion,
        storeId: label.storeId.toString(16).padStart(16, "0"),
        design: options.design,
        pid: process.pid,
        features: [],
        credential: "",
        memoryNodes,
      },
      handle: async (request) => {
        const isReport = (request as { ask?: unknown } | null)?.ask === reportQuestion.ask;
        if (!isReport) return resident.handle(request);
        return reportOf(options.design, memoryNodes, resident.counters());
      },
    });
  } catch (error) {
    await resident.close(checked.timeoutMs);
    throw error;
  }
  return { listener, resident };
}

/** Clover: a client that does nothing but housekeeping. */
async function openJanitor(grounds: Grounds): Promise<Resident> {
  const { checked, nodes, label, metadata, counters, heardAt, end } = grounds;
  const janitor = await CloverClient.open({
    clock: systemClock,
    label: label.label,
    nodes: nodes.map(({ fabric }) => fabric),
    metadata: metadata.handle,
    membership: new ClusterMembership(systemClock, nodes),
    looks: true,
    heardAt,
    cursors: checked.cursors ?? cursorsDefault,
    eviction: checked.eviction,
    timeoutMs: checked.timeoutMs,
    counters,
    end,
  });
  return {
    handle: metadata.handle,
    counters: () => janitor.backend.counters(),
    fenced: () => janitor.fenced(),
    close: (timeoutMs) => janitor.backend.close(timeoutMs),
  };
}

/** Central: a coordinator, and whoever has to follow it. */
async function openOffice(grounds: Grounds): Promise<Resident> {
  const { checked, nodes, label, metadata, counters, say, end } = grounds;
  try {
    const office = await CentralOffice.open({
      clock: systemClock,
      label: label.label,
      nodes,
      metadata: metadata.handle,
      membership: new SoleMembership(systemClock, nodes),
      timeoutMs: checked.timeoutMs,
      counters,
      say,
    });
    return {
      handle: (request) => office.handle(request),
      counters: () => office.counters(),
      fenced: () => office.fenced(),
      close: async (timeoutMs) => {
        await office.close(timeoutMs);
        await end();
      },
    };
  } catch (error) {
    await end();
    throw error;
  }
}

/**
 * Membership of coordinators over one metadata directory: whoever holds its lock is the only one
 * that lives, so everybody before it has ended, and is fenced at every memory node before that is
 * said.
 */
class SoleMembership extends ClusterMembership {
  override async judge(id: number): Promise<Judgement> {
    await this.fence(id);
    return { alive: false, who: "an earlier coordinator" };
  }
}

/** What the memory nodes have beside their headers and the root chunk. */
function dataBytesOf(nodes: readonly ClusterNode[], { label }: FoundLabel): number {
  const bytes = nodes.map(({ ws }) => ws.hello.sizeBytes - regionHeaderBytes);
  return Math.max(0, bytes.reduce((sum, each) => sum + each, 0) - label.chunkBytes);
}

function reportOf(
  design: "clover" | "central",
  memoryNodes: readonly string[],
  counters: BackendCounters,
): ServerReport {
  const { user, system } = process.cpuUsage();
  return {
    role: design === "central" ? "coordinator" : "metadata-server",
    pid: process.pid,
    cpuSeconds: (user + system) / 1e6,
    memoryNodes,
    counters,
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
