// open(dir): an embedded store. The directory is shared by any number of processes and threads at
// memory speed, without a server; a lease file each shows who lives.

import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { PdpmError, Prng, systemClock } from "@pdpm/base";
import { Store } from "@pdpm/kv";
import { regionHeaderBytes } from "@pdpm/layout/region-header";
import {
  bootWord,
  createRegionFile,
  FileLock,
  MappedFabric,
  MappedRegion,
  nodeLockName,
  regionFileName,
} from "@pdpm/transport-mapped";
import { CounterTable } from "@pdpm/verbs";
import type { CodecName, NamedValues } from "./codecs.ts";
import { DirectClient } from "./direct-client.ts";
import { EmbeddedMembership } from "./embedded-membership.ts";
import type { EmbeddedMetadata } from "./embedded-metadata.ts";
import { endUse } from "./in-use-mark.ts";
import { type FoundLabel, labelNode, newStoreId } from "./label-nodes.ts";
import { enterNamespace } from "./namespace-guard.ts";
import { labelOfNew, mismatch } from "./new-store.ts";
import type { OpenClient } from "./open-client.ts";
import {
  type CheckedOptions,
  type ClientOptions,
  clientOptions,
  cursorsDefault,
} from "./options.ts";
import { requireLinux } from "./platform.ts";

/**
 * Opens the store in `directory`, and makes it if there is none.
 *
 * @throws PDPM_INVALID_ARGUMENT for a bad option; PDPM_WRONG_STORE when the directory holds another
 *   design, a part of a cluster or a newer format; PDPM_CORRUPT, PDPM_POISONED when it is damaged;
 *   PDPM_IN_USE when a memory node serves it; PDPM_NO_SPACE; PDPM_UNSUPPORTED.
 */
export function open<N extends CodecName>(
  directory: string,
  options: Omit<ClientOptions, "codec"> & { readonly codec: N },
): Promise<Store<NamedValues[N]>>;
export function open<V = Uint8Array>(
  directory: string,
  options?: ClientOptions<V>,
): Promise<Store<V>>;
export async function open<V>(
  directory: string,
  options: ClientOptions<V> = {},
): Promise<Store<V>> {
  requireLinux();
  if (typeof directory !== "string" || directory === "") {
    throw new PdpmError("PDPM_INVALID_ARGUMENT", "open needs the path of a directory");
  }
  const checked = clientOptions(options, "open");
  const client = await openEmbedded(resolve(directory), checked);
  return new Store(client.backend, checked.codec, { timeoutMs: checked.timeoutMs });
}

/** The client behind `open`; evict uses it, too. */
export async function openEmbedded<V>(
  directory: string,
  options: CheckedOptions<V>,
): Promise<OpenClient> {
  const label = labelOfNew(options, 1);
  const reason = mismatch(options, label);
  if (!existsSync(join(directory, regionFileName))) {
    if (reason !== null) throw new PdpmError("PDPM_INVALID_ARGUMENT", `open: ${reason}`);
    await createRegionFile(directory, regionHeaderBytes + label.chunkBytes);
  }
  // Shared with other processes that have it open; a memory node holds it alone.
  const lock = FileLock.take(join(directory, "locks", nodeLockName), "shared");
  let region: MappedRegion | undefined;
  try {
    region = MappedRegion.open(directory, systemClock);
    const fabric = new MappedFabric(region);
    const counters = new CounterTable();
    const found = await labelNode(counters, fabric, { storeId: newStoreId(Prng.random()), label });
    check(directory, options, found as FoundLabel, region);
    return await openDesign({
      directory,
      found: found as FoundLabel,
      options,
      region,
      lock,
      fabric,
      counters,
    });
  } catch (error) {
    await region?.close();
    lock.release();
    throw error;
  }
}

/** An embedded store whose memory is mapped and labelled. */
interface Embedded {
  readonly directory: string;
  readonly found: FoundLabel;
  readonly options: CheckedOptions<unknown>;
  readonly region: MappedRegion;
  readonly lock: FileLock;
  readonly fabric: MappedFabric;
  readonly counters: CounterTable;
}

/** The client of the store's own design; the others' code is not loaded. */
async function openDesign(embedded: Embedded): Promise<OpenClient> {
  const { directory, found, options, region, lock, fabric, counters } = embedded;
  const { label } = found;
  const isDurable = label.durability === "power";
  const parts = {
    clock: systemClock,
    label,
    nodes: [fabric],
    membership: new EmbeddedMembership(systemClock, directory, region, isDurable),
    cursors: options.cursors ?? cursorsDefault,
    eviction: options.eviction,
    timeoutMs: options.timeoutMs,
    counters,
    end: () => endUse(systemClock, directory, region, lock),
  };
  if (label.design === "direct") return DirectClient.open(parts);
  const dataBytes = (): number => region.sizeBytes - regionHeaderBytes - label.chunkBytes;
  if (label.design === "central") {
    const { openEmbeddedCentral } = await import("./embedded-central.ts");
    return openEmbeddedCentral({ ...parts, directory, found, dataBytes });
  }
  const { openEmbeddedMetadata } = await import("./embedded-metadata.ts");
  const { CloverClient } = await import("./clover-client.ts");
  const namespace = enterNamespace(directory);
  let metadata: EmbeddedMetadata;
  try {
    metadata = await openEmbeddedMetadata(directory, found, dataBytes());
  } catch (error) {
    namespace.release();
    throw error;
  }
  const end = async (): Promise<void> => {
    try {
      await metadata.close();
    } finally {
      namespace.release();
      await parts.end();
    }
  };
  return CloverClient.open({ ...parts, metadata: metadata.handle, looks: true, end });
}

function check<V>(
  directory: string,
  options: CheckedOptions<V>,
  { label }: FoundLabel,
  region: MappedRegion,
): void {
  const advice = `run "pdpm fsck ${directory} --repair --yes"`;
  const reason = mismatch(options, label);
  if (reason !== null) throw new PdpmError("PDPM_WRONG_STORE", `${directory}: ${reason}`);
  if (label.nodeCount > 1) {
    throw new PdpmError(
      "PDPM_WRONG_STORE",
      `${directory} is node ${label.nodeId} of ${label.nodeCount} of a cluster; serve it with ` +
        `"pdpm memory-node --dir ${directory} --listen ws://127.0.0.1:PORT" and connect`,
    );
  }
  if (region.header.load("poisoned") !== 0n) {
    throw new PdpmError("PDPM_POISONED", `a flush of ${directory} failed once; ${advice}`);
  }
  const inUse = region.header.load("inUseBoot");
  if (label.durability === "process" && inUse !== 0n && inUse !== bootWord()) {
    throw new PdpmError(
      "PDPM_CORRUPT",
      `${directory} was in use when the machine went down, and it promises "process" only; ${advice}`,
    );
  }
}
