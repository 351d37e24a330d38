// The region header: what FORMAT.md shows, and what is refused with which reason.

import { assert } from "@pdpm/base";
import { expect, test } from "vitest";
import { checksum64 } from "./checksum.ts";
import { formatExample } from "./format-example.ts";
import {
  decodeRegionHeader,
  encodeRegionHeader,
  headerWordOffset,
  invalidRegionHeader,
  invalidRegionSize,
  invalidRemoteWrite,
  labelPartOffset,
  newerRegionFormat,
  regionHeaderBytes,
} from "./region-header.ts";

const sizeBytes = 2 ** 24 + 4096;
const regionId = Uint8Array.from({ length: 16 }, (_, index) => 0xa0 + index);
const identityBytes = 64;

function fresh(): Uint8Array {
  return encodeRegionHeader(regionId, sizeBytes);
}

/** A header whose identity is intact and says format `version`. */
function ofVersion(version: number): Uint8Array {
  const bytes = fresh();
  const view = new DataView(bytes.buffer);
  view.setUint32(8, version, true);
  view.setBigUint64(identityBytes - 8, checksum64(bytes.subarray(0, identityBytes - 8)), true);
  return bytes;
}

test("the example of FORMAT.md is what a fresh header begins with", () => {
  const example = formatExample("region-header");
  expect(fresh().subarray(0, example.length)).toEqual(example);
  const bytes = new Uint8Array(regionHeaderBytes);
  bytes.set(example);
  expect(invalidRegionHeader(bytes, sizeBytes)).toBeNull();
  expect(decodeRegionHeader(bytes)).toEqual({
    regionId: "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
    sizeBytes,
  });
});

test("a change of any single bit of the identity is refused", () => {
  for (let bit = 0; bit < identityBytes * 8; bit += 1) {
    const bytes = fresh();
    bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
    expect(invalidRegionHeader(bytes, sizeBytes), `bit ${bit}`).not.toBeNull();
  }
});

test("a reserved byte that is not zero is refused, anywhere behind the identity", () => {
  const words = Object.values(headerWordOffset);
  for (let offset = identityBytes; offset < regionHeaderBytes; offset += 1) {
    if (words.includes(offset - (offset % 8))) continue;
    const bytes = fresh();
    bytes[offset] = 1;
    expect(invalidRegionHeader(bytes, sizeBytes), `offset ${offset}`).toMatch(/reserved/);
  }
});

test("words are aligned, apart, and each in its part of the header", () => {
  const offsets = Object.entries(headerWordOffset);
  expect(new Set(offsets.map(([, offset]) => offset)).size).toBe(offsets.length);
  for (const [name, offset] of offsets) {
    expect(offset % 8).toBe(0);
    const isLabel = ["storeId", "storeWord", "labelChecksum", "commitHighWater"].includes(name);
    expect(offset >= labelPartOffset, name).toBe(isLabel);
    if (!isLabel) expect(offset % 64, `${name} has a cache line of its own`).toBe(0);
  }
});

test("a truncated file is refused, whether the header or what it promises is missing", () => {
  expect(invalidRegionHeader(fresh().subarray(0, 4095), 4095)).toMatch(/^truncated/);
  expect(invalidRegionHeader(fresh(), 4095)).toMatch(/^truncated/);
  expect(invalidRegionHeader(new Uint8Array(0), 0)).toMatch(/^truncated/);
  expect(invalidRegionHeader(fresh(), sizeBytes - 1)).toMatch(/^truncated/);
  expect(invalidRegionHeader(fresh(), sizeBytes + 4096)).toBeNull();
});

test("an intact header of a newer format asks for a newer pdpm, a damaged one does not", () => {
  const newer = ofVersion(2);
  expect(invalidRegionHeader(newer, sizeBytes)).toBeNull();
  expect(newerRegionFormat(newer)).toMatch(/needs a newer pdpm/);
  expect(newerRegionFormat(ofVersion(0))).toMatch(/needs an older pdpm/);
  expect(newerRegionFormat(fresh())).toBeNull();
  const damaged = fresh();
  damaged[8] = 2;
  expect(invalidRegionHeader(damaged, sizeBytes)).toMatch(/checksum/);
});

test("a size is a multiple of a page that leaves room for the header", () => {
  expect(invalidRegionSize(regionHeaderBytes)).toBeNull();
  for (const size of [0, -4096, 4095, 4097, 8191, Number.NaN, 2 ** 60]) {
    expect(invalidRegionSize(size), String(size)).not.toBeNull();
  }
  const bytes = fresh();
  new DataView(bytes.buffer).setBigUint64(headerWordOffset.sizeBytes, 5000n, true);
  expect(invalidRegionHeader(bytes, sizeBytes)).toMatch(/multiple/);
});

test("over ws the node's own part is not written, and everything behind it is", () => {
  const node = Object.entries(headerWordOffset).filter(([, offset]) => offset < labelPartOffset);
  assert(node.length === 7, `the node has ${node.length} words`);
  for (const [name, offset] of node) expect(invalidRemoteWrite(offset, 8), name).not.toBeNull();
  expect(invalidRemoteWrite(0, 4096)).not.toBeNull();
  expect(invalidRemoteWrite(labelPartOffset - 1, 2)).not.toBeNull();
  expect(invalidRemoteWrite(headerWordOffset.storeId, 8)).toBeNull();
  expect(invalidRemoteWrite(headerWordOffset.commitHighWater, 8)).toBeNull();
  expect(invalidRemoteWrite(regionHeaderBytes, 2 ** 20)).toBeNull();
});
