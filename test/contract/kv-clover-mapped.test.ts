// Clover keeps the store contract embedded: over a mapped region file and the LMDB beside it, in
// both durabilities.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { kvContract } from "@pdpm/kv/contract";
import { open } from "../../packages/client/src/open.ts";

/** An insert costs a transaction: a busy machine makes two thousand at once slow, not wrong. */
const timeoutMs = 20_000;
const chunkBytes = 2 ** 22;

for (const durability of ["process", "power"] as const) {
  kvContract(`clover, mapped, ${durability}`, async () => {
    const directory = await mkdtemp(join(tmpdir(), "pdpm-clover-"));
    return {
      open: () => open(directory, { design: "clover", durability, chunkBytes, timeoutMs }),
      teardown: () => rm(directory, { recursive: true }),
    };
  });
}
