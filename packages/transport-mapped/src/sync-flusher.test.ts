// How flushes share msyncs, with an msync that answers when the test says so.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@pdpm/base";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Libc, systemLibc } from "./libc.ts";
import { MappedRegion } from "./mapped-region.ts";
import { createRegionFile } from "./region-file.ts";

const windowBytes = 2 ** 16;
let directory: string;
let region: MappedRegion;
/** Each msync: its place in the mapping relative to the lowest one, its length, and its answer. */
let calls: { address: number; bytes: number; answer: () => void }[];
let answerAtOnce: boolean;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "pdpm-flusher-"));
  await createRegionFile(directory, 2 ** 20);
  calls = [];
  answerAtOnce = true;
  const sync: Libc["sync"] = (address, bytes) =>
    new Promise((resolve) => {
      calls.push({ address, bytes, answer: () => resolve(null) });
      if (answerAtOnce) setImmediate(() => resolve(null));
    });
  const libc = new Proxy(systemLibc(), {
    get: (target, name) =>
      name === "sync" ? sync : (target[name as keyof Libc] as () => unknown).bind(target),
  });
  region = MappedRegion.open(directory, systemClock, { libc, windowBytes });
});
afterEach(async () => {
  for (const { answer } of calls) answer();
  await region.close();
  rmSync(directory, { recursive: true });
});

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("32 flushes of one turn are one msync", async () => {
  await Promise.all(Array.from({ length: 32 }, (_, index) => region.flush(4096 + index * 64, 64)));
  expect(calls.length).toBe(1);
});

test("32 loops of flushes share their msyncs, round after round", async () => {
  const rounds = 10;
  const loop = async (index: number): Promise<void> => {
    for (let round = 0; round < rounds; round += 1) await region.flush(4096 + index * 64, 64);
  };
  await Promise.all(Array.from({ length: 32 }, (_, index) => loop(index)));
  expect(calls.length).toBe(rounds);
});

test("flushes that come while one is with the kernel gather, and never join it", async () => {
  answerAtOnce = false;
  const done: string[] = [];
  const early = region.flush(4096, 8)?.then(() => done.push("early"));
  await turn();
  const late = Array.from({ length: 31 }, (_, index) =>
    region.flush(8192 + index * 8, 8)?.then(() => done.push("late")),
  );
  await turn();
  expect(calls.length).toBe(1);
  calls[0]?.answer();
  await early;
  await turn();
  // The second call came after the first, and the late ones have no answer before it has.
  expect(calls.length).toBe(2);
  expect(done).toEqual(["early"]);
  calls[1]?.answer();
  await Promise.all(late);
  expect(calls.length).toBe(2);
});

test("a group is its hull at page borders, one msync per window", async () => {
  const flushes = [
    region.flush(5000, 8),
    region.flush(20_480, 1),
    region.flush(12_287, 2),
    region.flush(2 * windowBytes - 1, 2),
  ];
  await Promise.all(flushes);
  expect(calls.map(({ bytes }) => bytes)).toEqual([20_480, 4096, 4096]);
  expect(calls.every(({ address }) => address % 4096 === 0)).toBe(true);
  calls.length = 0;
  await region.flush(5000, 8);
  expect(calls.map(({ bytes }) => bytes)).toEqual([4096]);
});
