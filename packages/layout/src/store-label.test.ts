// The label of a store: every label fits its word, and nothing else passes for one.

import fc from "fast-check";
import { expect, test } from "vitest";
import { formatExample } from "./format-example.ts";
import {
  type DesignName,
  type DurabilityName,
  decodeStoreWord,
  designNumber,
  durabilityNumber,
  encodeStoreWord,
  invalidLabel,
  invalidStoreWord,
  labelChecksum,
  type StoreLabel,
} from "./store-label.ts";

const label: StoreLabel = {
  design: "direct",
  durability: "power",
  nodeId: 1,
  nodeCount: 2,
  chunkBytes: 2 ** 24,
  chunksMost: 4096,
};

test("the example of FORMAT.md decodes to its label", () => {
  const view = new DataView(formatExample("region-label").buffer);
  const [storeId, storeWord, checksum] = [0, 8, 16].map((at) => view.getBigUint64(at, true));
  expect(invalidLabel(storeId as bigint, storeWord as bigint, checksum as bigint)).toBeNull();
  expect(decodeStoreWord(storeWord as bigint)).toEqual(label);
  expect(encodeStoreWord(label)).toBe(storeWord);
});

test("every label comes back from its word", () => {
  const labels = fc
    .record({
      design: fc.constantFrom<DesignName>(...(Object.keys(designNumber) as DesignName[])),
      durability: fc.constantFrom<DurabilityName>(
        ...(Object.keys(durabilityNumber) as DurabilityName[]),
      ),
      nodeCount: fc.integer({ min: 1, max: 255 }),
      part: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      chunkLog: fc.integer({ min: 12, max: 26 }),
      chunksMost: fc.integer({ min: 1, max: 2 ** 20 - 1 }),
    })
    .map(({ part, chunkLog, ...rest }) => ({
      ...rest,
      nodeId: Math.floor(part * rest.nodeCount),
      chunkBytes: 2 ** chunkLog,
    }));
  fc.assert(
    fc.property(labels, (one) => {
      const word = encodeStoreWord(one);
      expect(invalidStoreWord(word)).toBeNull();
      expect(decodeStoreWord(word)).toEqual(one);
    }),
  );
});

test("a label that does not fit its bits is our bug", () => {
  const wrong: Partial<StoreLabel>[] = [
    { nodeId: 2 },
    { nodeId: -1 },
    { nodeCount: 256 },
    { nodeCount: 0 },
    { chunkBytes: 2 ** 24 + 1 },
    { chunkBytes: 2 ** 27 },
    { chunksMost: 0 },
    { chunksMost: 2 ** 20 },
  ];
  for (const change of wrong) {
    expect(() => encodeStoreWord({ ...label, ...change }), JSON.stringify(change)).toThrow();
  }
});

test("a word that is no label is refused with a reason", () => {
  const word = encodeStoreWord(label);
  for (const wrong of [
    0n,
    word & ~0xfn,
    word | 0xfn,
    word & ~0x30n,
    word | 0x30n,
    word | (1n << 48n),
  ]) {
    expect(invalidStoreWord(wrong), wrong.toString(16)).not.toBeNull();
  }
  expect(invalidStoreWord(word | (3n << 6n)), "node 3 of 2").toMatch(/node 3 of 2/);
  expect(invalidStoreWord(word & ~(0xfffffn << 28n)), "no chunks").toMatch(/no chunks/);
});

test("a label counts only when it is finished and intact", () => {
  const word = encodeStoreWord(label);
  const checksum = labelChecksum(77n, word);
  expect(checksum).not.toBe(0n);
  expect(invalidLabel(77n, word, checksum)).toBeNull();
  expect(invalidLabel(0n, word, checksum)).toMatch(/no store/);
  expect(invalidLabel(77n, word, 0n)).toMatch(/not finished/);
  expect(invalidLabel(78n, word, checksum)).toMatch(/checksum/);
  expect(invalidLabel(77n, word ^ 64n, checksum)).toMatch(/checksum/);
});
