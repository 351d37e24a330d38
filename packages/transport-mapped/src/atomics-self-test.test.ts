// The self-test passes on this engine and finds out engines that are broken in plausible ways.

import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "@pdpm/base";
import { expect, test, vi } from "vitest";
import { type AtomicOperations, requireAtomics, untrustedAtomics } from "./atomics-self-test.ts";
import { type Libc, systemLibc } from "./libc.ts";
import { createRegionFile } from "./region-file.ts";

test("this engine's atomics on mapped memory behave", () => {
  expect(() => requireAtomics(systemLibc())).not.toThrow();
  expect(untrustedAtomics(new ArrayBuffer(64))).toBeNull();
});

test("an engine whose atomics do not behave is found out", () => {
  const real: AtomicOperations = Atomics;
  const low = (word: bigint): bigint => BigInt.asUintN(32, word);
  const broken: Record<string, AtomicOperations> = {
    "compares 32 bits": {
      ...{ add: real.add },
      compareExchange(words, index, expected, desired) {
        const found = words[index] as bigint;
        if (low(found) === low(expected)) words[index] = desired;
        return found;
      },
    },
    "compares only some bits": {
      ...{ add: real.add },
      compareExchange(words, index, expected, desired) {
        const found = words[index] as bigint;
        if (found >> 8n === expected >> 8n) words[index] = desired;
        return found;
      },
    },
    "swaps 32 bits": {
      ...{ add: real.add },
      compareExchange: (words, index, expected, desired) =>
        real.compareExchange(words, index, expected, low(desired)),
    },
    "never swaps": { ...{ add: real.add }, compareExchange: (words, index) => words[index] ?? 0n },
    "returns the new word": {
      ...{ compareExchange: real.compareExchange },
      add: (words, index, value) => real.add(words, index, value) + value,
    },
    "adds in 32 bits": {
      ...{ compareExchange: real.compareExchange },
      add(words, index, value) {
        const found = words[index] as bigint;
        words[index] = (found & ~0xffffffffn) | low(found + value);
        return found;
      },
    },
    "touches a neighbour": {
      ...{ compareExchange: real.compareExchange },
      add(words, index, value) {
        words[index + 1] = 1n;
        return real.add(words, index, value);
      },
    },
  };
  for (const [name, atomics] of Object.entries(broken)) {
    expect(untrustedAtomics(new ArrayBuffer(64), atomics), name).not.toBeNull();
  }
});

test("the first region that a process opens tests the atomics, on memory of its own", async () => {
  const directory = mkdtempSync(join("/dev/shm", "pdpm-atomics-"));
  await createRegionFile(directory, 4096);
  const calls: string[] = [];
  const libc = new Proxy(systemLibc(), {
    get: (target, name) => {
      calls.push(String(name));
      return (target[name as keyof Libc] as () => unknown).bind(target);
    },
  });
  // As in a process that has opened nothing yet.
  vi.resetModules();
  const { MappedRegion } = await import("./mapped-region.ts");
  const regions = [1, 2].map(() => MappedRegion.open(directory, systemClock, { libc }));
  expect(calls.filter((name) => name === "mapAnonymous")).toHaveLength(1);
  expect(calls[0]).toBe("mapAnonymous");
  for (const region of regions) await region.close();
  rmSync(directory, { recursive: true });
});
