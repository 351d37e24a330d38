// What a bench runs against: a cluster of its own, a store at a URL, or a directory. A cluster of
// its own lies in memory where there is room, and goes away with the bench.

import type { ClientOptions, Design } from "pdpm";
import { type ClusterStats, clusterStatsOf, LocalCluster } from "../cluster.ts";
import type { StoreChoice } from "../store-choice.ts";
import { type Medium, mediumOf, TemporaryFolder } from "../temporary-folder.ts";

/** Memory nodes of a cluster of its own. */
const nodesOfOwn = 2;
/** Beside its records: root chunks, chunks that are not full, lists. */
const overheadBytes = 256 * 2 ** 20;

/** A store to run against. */
export interface Target {
  readonly dir?: string;
  readonly url?: string;
  /** In words, for reports: "2 memory nodes". */
  readonly what: string;
  /** Where its bytes lie; null when that is not known from here. */
  readonly medium: Medium | null;
  /** Whether nobody else uses its memory nodes. */
  readonly isOwn: boolean;
  /** What its servers count; nothing for a directory. */
  stats(): Promise<ClusterStats>;
  /** Ends and removes what was started for it. */
  end(): Promise<void>;
}

/** The bytes that so many records take, roughly: two copies of each, in cells that fit loosely. */
export function bytesOfRecords(recordCount: number, valueBytes: number): number {
  return recordCount * 2 * (1.25 * valueBytes + 192) + overheadBytes;
}

/** A store that is there already, or a directory. */
export async function givenTarget({ dir, url }: StoreChoice): Promise<Target> {
  if (url !== undefined) {
    const nodes = (await clusterStatsOf(url)).nodes.length;
    return {
      url,
      what: `${nodes} memory nodes`,
      medium: null,
      isOwn: false,
      stats: () => clusterStatsOf(url),
      end: async () => {},
    };
  }
  const path = dir ?? "";
  return {
    dir: path,
    what: "a directory",
    // It may not be there yet; its parent then says where it will be.
    medium: await mediumOf(path).catch(() => mediumOf(`${path}/..`).catch(() => null)),
    isOwn: false,
    stats: async () => ({ nodes: [], server: null }),
    end: async () => {},
  };
}

/** A cluster of real processes for this bench alone. */
export async function ownTarget(
  name: string,
  dataBytes: number,
  design: Design,
  { durability, transport }: Pick<ClientOptions, "durability" | "transport">,
): Promise<Target> {
  const folder = await TemporaryFolder.make(name, dataBytes);
  try {
    const medium = await mediumOf(folder.path);
    const cluster = await LocalCluster.start({
      design,
      durability,
      // For Central the coordinator's way to memory is what is compared; a metadata server's verbs
      // are counted on both sides.
      serverTransport: design === "central" ? transport : "ws",
      dir: folder.path,
      nodes: nodesOfOwn,
    });
    const { url } = cluster;
    return {
      url,
      what: `${nodesOfOwn} memory nodes of its own`,
      medium,
      isOwn: true,
      stats: () => clusterStatsOf(url),
      end: async () => {
        await cluster.stop();
        await folder.remove();
      },
    };
  } catch (error) {
    await folder.remove();
    throw error;
  }
}

/** Where the bytes lie, in words. */
export function mediumText(medium: Medium | null): string {
  return medium === null ? "" : ` on ${medium.fileSystem} (${medium.path})`;
}
