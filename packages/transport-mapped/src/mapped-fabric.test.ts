// What the mapped fabric adds to the contract: when it is ready at once, and what it counts.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@pdpm/base";
import { compareAndSwap, flush, type Post, read, write } from "@pdpm/verbs";
import { afterEach, beforeEach, expect, test } from "vitest";
import { MappedFabric } from "./mapped-fabric.ts";
import { MappedRegion } from "./mapped-region.ts";
import { createRegionFile } from "./region-file.ts";

let directory: string;
let fabric: MappedFabric;
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "pdpm-fabric-"));
  await createRegionFile(directory, 2 ** 20);
  fabric = new MappedFabric(MappedRegion.open(directory, systemClock));
});
afterEach(async () => {
  await fabric.close();
  rmSync(directory, { recursive: true });
});

function at(offset: number, post: Post): Post {
  post.offset = offset;
  return post;
}

const nothing = {
  reads: 0,
  writes: 0,
  compareAndSwaps: 0,
  flushes: 0,
  bytesRead: 0,
  bytesWritten: 0,
};

test("a round without a flush is ready at once; one with a flush of a file is not", async () => {
  expect(fabric.post([at(4096, read(0, 8))])).toEqual([new Uint8Array(8)]);
  const flushing = fabric.post([at(4096, flush(0, 8)), at(4096, read(0, 8))]);
  expect(flushing).toBeInstanceOf(Promise);
  // A round that is posted meanwhile does not wait for it.
  expect(fabric.post([at(4096, compareAndSwap(0, 0n, 1n))])).toEqual([0n]);
  await flushing;
});

test("it counts what it applied, by kind and in bytes, and nothing that it refused", async () => {
  expect(fabric.applied).toEqual(nothing);
  await fabric.post([
    at(4096, write(0, new Uint8Array(100))),
    at(4096, flush(0, 100)),
    at(4096, read(0, 64)),
    at(2 ** 20, read(0, 64)),
    at(4096, compareAndSwap(0, 5n, 6n)),
  ]);
  fabric.post([at(4096, read(0, 8)), at(4097, compareAndSwap(0, 0n, 1n))]);
  const counted = {
    reads: 2,
    writes: 1,
    compareAndSwaps: 1,
    flushes: 1,
    bytesRead: 72,
    bytesWritten: 108,
  };
  expect(fabric.applied).toEqual(counted);
  await fabric.close();
  fabric.post([at(4096, read(0, 8))]);
  expect(fabric.applied).toEqual(counted);
});
