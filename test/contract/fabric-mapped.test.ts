// The mapped fabric keeps the fabric contract: over a real file on a disk (msync), over memory
// (tmpfs), and with windows so small that verbs cross their borders all the time.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@pdpm/base";
import {
  createRegionFile,
  MappedFabric,
  MappedRegion,
  type MappedRegionOptions,
} from "@pdpm/transport-mapped";
import { type FabricUnderTest, fabricContract } from "@pdpm/verbs/contract";

const first = 4096;
const end = 8 * 2 ** 20;
const endMost = end + 2 ** 20;

async function mapped(parent: string, options: MappedRegionOptions): Promise<FabricUnderTest> {
  const directory = await mkdtemp(join(parent, "pdpm-contract-"));
  await createRegionFile(directory, end);
  const open = (): MappedFabric =>
    new MappedFabric(MappedRegion.open(directory, systemClock, { ...options, maxBytes: endMost }));
  return {
    fabric: open(),
    first,
    end,
    endMost,
    another: async () => open(),
    dispose: () => rm(directory, { recursive: true }),
  };
}

fabricContract("a mapped file", () => mapped(tmpdir(), {}));
fabricContract("mapped memory", () => mapped("/dev/shm", {}));
fabricContract("a mapped file in windows of two pages", () =>
  mapped("/dev/shm", { windowBytes: 8192 }),
);
