// The metadata service in this process, over an LMDB directory: that of an embedded store, which
// all its processes share, or that of a metadata server. Loaded only where the design has one.
//
// What must hold: metadata is made only for a store that never had data. Memory nodes that carry
// chunks, beside an empty metadata directory, mean that the metadata was lost or is elsewhere.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { PdpmError, Prng, systemClock } from "@pdpm/base";
import { regionHeaderBytes } from "@pdpm/layout/region-header";
import { MetadataService } from "@pdpm/metadata-server";
import { openLmdbStore } from "@pdpm/metadata-server/lmdb-store";
import type { MetadataRequest } from "@pdpm/metadata-server/protocol";
import { Turnstile } from "@pdpm/transport-mapped";
import type { CallHandler } from "@pdpm/verbs";
import type { FoundLabel } from "./label-nodes.ts";

/** Where the LMDB files stand in a store's directory. */
export const metadataDirectoryName = "metadata";
/** How long another process may take to open it. Milliseconds. */
const gateTimeoutMs = 10_000;

/** An open service. */
export interface EmbeddedMetadata {
  readonly handle: CallHandler;
  close(): Promise<void>;
}

/**
 * Opens the service over the directory's LMDB.
 * @param dataBytes - What the memory nodes have beside their headers and the root chunk.
 * @throws PDPM_WRONG_STORE when there is data and no metadata, or that of another store.
 */
export async function openEmbeddedMetadata(
  directory: string,
  { label, storeId }: FoundLabel,
  dataBytes: number,
): Promise<EmbeddedMetadata> {
  const path = join(directory, metadataDirectoryName);
  if (dataBytes > 0 && !existsSync(join(path, "data.mdb"))) {
    throw new PdpmError(
      "PDPM_WRONG_STORE",
      `the store's memory nodes carry data, and ${path} has no metadata of it: it was started with ` +
        "another directory, or its metadata was lost",
    );
  }
  const locks = join(directory, "locks", metadataDirectoryName);
  const store = await openLmdbStore({
    path,
    durability: label.durability,
    storeId,
    mayCreate: dataBytes === 0,
    gate: new Turnstile({ clock: systemClock, path: locks, timeoutMs: gateTimeoutMs }),
  });
  const service = new MetadataService({
    store,
    clock: systemClock,
    prng: Prng.random(),
    label,
    regionHeaderBytes,
  });
  return {
    handle: (request) => service.handle(request as MetadataRequest),
    close: () => store.close(),
  };
}
