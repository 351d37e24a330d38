// The store contract over memory, and over LMDB on a disk and in memory, with its openings guarded
// as the client guards them.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@pdpm/base";
import { MemoryStore } from "@pdpm/metadata-server";
import { storeContract } from "@pdpm/metadata-server/contract";
import { openLmdbStore } from "@pdpm/metadata-server/lmdb-store";
import { Turnstile } from "@pdpm/transport-mapped";

storeContract("the store in memory", async () => ({
  store: new MemoryStore(),
  dispose: async () => {},
}));

for (const [parent, durability] of [
  [tmpdir(), "power"],
  ["/dev/shm", "process"],
] as const) {
  storeContract(`LMDB in ${parent}, ${durability}`, async () => {
    const directory = await mkdtemp(join(parent, "pdpm-contract-"));
    const path = join(directory, "metadata");
    const locks = join(directory, "locks", "metadata");
    const open = () =>
      openLmdbStore({
        path,
        durability,
        storeId: 7n,
        mayCreate: true,
        gate: new Turnstile({ clock: systemClock, path: locks, timeoutMs: 10_000 }),
      });
    return {
      store: await open(),
      another: open,
      dispose: () => rm(directory, { recursive: true }),
    };
  });
}
