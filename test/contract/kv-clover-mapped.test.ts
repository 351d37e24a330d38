// Clover keeps the store contract embedded: over a mapped region file and the LMDB beside it, in
// both durabilities.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { kvContract } from "@pdpm/kv/contract";
import { open } from "../../packages/client/src/open.ts";

for (const durability of ["process", "power"] as const) {
  kvContract(`clover, mapped, ${durability}`, async () => {
    const directory = await mkdtemp(join(tmpdir(), "pdpm-clover-"));
    return {
      open: () => open(directory, { design: "clover", durability, chunkBytes: 2 ** 22 }),
      teardown: () => rm(directory, { recursive: true }),
    };
  });
}
