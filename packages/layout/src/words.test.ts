// The examples of FORMAT.md, sections 3 to 6, decoded; and every field at its limits.

import { expect, test } from "vitest";
import { formatExample } from "./format-example.ts";
import {
  addressOf,
  BucketImage,
  bucketEntries,
  CellState,
  ChunkState,
  cellBytes,
  checkCopy,
  checkHeader,
  checkValue,
  clearedEntry,
  clientIdMost,
  copyBytes,
  copyCapacity,
  decodeCopy,
  decodeEntry,
  decodeLease,
  decodeState,
  decodeTable,
  encodeCopy,
  encodeLease,
  entryWord,
  incarnationMost,
  LeaseKind,
  leaseIdentity,
  numberOf,
  numberWord,
  RootGeometry,
  sizeClassFor,
  slotClassCount,
  stateWord,
  tableWord,
  valueOffset,
  wordAt,
} from "./index.ts";

const slot = addressOf(5, 448);
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** Every way to change one byte of a word in a few bits, including all of them. */
function* damaged(word: bigint): Iterable<bigint> {
  for (let byte = 0n; byte < 8n; byte += 1n) {
    for (const mask of [0x01n, 0x80n, 0x55n, 0xffn]) yield word ^ (mask << (byte * 8n));
  }
}

test("the state word of FORMAT.md is live, in its third life, held by client 77", () => {
  const word = wordAt(formatExample("state-word"), 0);
  expect(decodeState(word)).toEqual({ state: CellState.live, incarnation: 3, owner: 77 });
  expect(stateWord(CellState.live, 3, 77)).toBe(word);
});

test("a state word keeps its limits, and any damaged byte shows", () => {
  const word = stateWord(CellState.moved, incarnationMost, clientIdMost);
  expect(decodeState(word)).toEqual({
    state: CellState.moved,
    incarnation: incarnationMost,
    owner: clientIdMost,
  });
  for (const other of damaged(word)) expect(decodeState(other)).toBeUndefined();
  expect(stateWord(CellState.free, 0, 0)).toBe(0n);
});

test("the entry word of FORMAT.md points to chunk 5, offset 448, and is pending", () => {
  const word = wordAt(formatExample("entry-word"), 0);
  const entry = { cell: slot, sizeClass: 12, fingerprint: 300, pending: true };
  expect(decodeEntry(word)).toEqual(entry);
  expect(entryWord(slot, 12, 300, true)).toBe(word);
  expect(decodeEntry(clearedEntry(word))).toEqual({ ...entry, pending: false });
  for (const other of damaged(word)) expect(decodeEntry(other)).toBeUndefined();
  expect(decodeEntry(0n)).toBeNull();
});

test("the number word of FORMAT.md, and numbers up to 2^53 - 1", () => {
  expect(numberOf(wordAt(formatExample("number-word"), 0))).toBe(1234567890123);
  for (const number of [0, 1, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
    expect(numberOf(numberWord(number))).toBe(number);
    for (const other of damaged(numberWord(number))) expect(numberOf(other)).toBeUndefined();
  }
});

test("the table word of FORMAT.md is an active chunk of class 21 on node 1", () => {
  const word = wordAt(formatExample("table-word"), 0);
  const entry = { state: ChunkState.active, sizeClass: 21, node: 1, place: 4 };
  expect(decodeTable(word)).toEqual(entry);
  expect(tableWord(entry)).toBe(word);
  const most = { state: ChunkState.retired, sizeClass: 63, node: 255, place: 2 ** 20 - 1 };
  expect(decodeTable(tableWord(most))).toEqual(most);
  for (const other of damaged(word)) expect(decodeTable(other)).toBeUndefined();
});

test("the lease record of FORMAT.md is client 77's", () => {
  const bytes = formatExample("lease-record");
  expect(bytes.length).toBe(64);
  expect(decodeLease(bytes)).toEqual({
    clientId: 77,
    state: "live",
    heartbeat: 0,
    acknowledged: 2,
    pid: 4711,
    kind: LeaseKind.file,
  });
  expect(wordAt(bytes, 0)).toBe(leaseIdentity(77, "live"));
  expect(bytes.subarray(8, 32)).toEqual(encodeLease(2, 4711, LeaseKind.file));
  expect(decodeLease(new Uint8Array(64))).toBeNull();
});

test("the bucket of FORMAT.md has one entry and a floor of 9", () => {
  const image = new BucketImage(formatExample("bucket").slice());
  expect([image.lockWord, image.intentWord, image.nextWord]).toEqual([0n, 0n, 0n]);
  expect(numberOf(image.floorWord)).toBe(9);
  expect(decodeEntry(image.entryWord(0))?.cell).toBe(slot);
  for (let i = 1; i < bucketEntries; i += 1) expect(image.entryWord(i)).toBe(0n);
});

test("the copy of FORMAT.md says greeting: hello, and any damaged byte of it shows", () => {
  const bytes = formatExample("slot-copy");
  const encode = (value: string): Uint8Array => new TextEncoder().encode(value);
  expect(encodeCopy(slot, 9, 3, encode("greeting"), encode("hello"))).toEqual(bytes);
  expect(checkHeader(slot, bytes, 0)).toBe("ok");
  expect(checkValue(bytes, 0)).toBe("ok");
  expect(checkCopy(slot, bytes, 0)).toBe("ok");
  const copy = decodeCopy(bytes, 0);
  expect(copy).toEqual({ commitNumber: 9, incarnation: 3, keyBytes: 8, valueBytes: 5 });
  expect(text(bytes.subarray(40, 48))).toBe("greeting");
  const start = valueOffset(copy.keyBytes);
  expect(text(bytes.subarray(start, start + copy.valueBytes))).toBe("hello");
  for (let at = 0; at < start + copy.valueBytes; at += 1) {
    for (const mask of [0x01, 0x80, 0xff]) {
      bytes[at] = (bytes[at] as number) ^ mask;
      const isBelieved = checkHeader(slot, bytes, 0) === "ok" && checkValue(bytes, 0) === "ok";
      expect(isBelieved, `byte ${at} ^ ${mask}`).toBe(false);
      expect(checkCopy(slot, bytes, 0), `byte ${at} ^ ${mask}`).not.toBe("ok");
      bytes[at] = (bytes[at] as number) ^ mask;
    }
  }
  expect(checkHeader(slot + 64, bytes, 0), "in another slot").toBe("torn");
  expect(checkCopy(slot + 64, bytes, 0), "in another slot").toBe("torn");
});

test("every value up to 1 MiB under every key up to 1,024 bytes has a class, of a fitting size", () => {
  for (let c = 1; c < slotClassCount; c += 1) {
    expect(cellBytes(c)).toBeGreaterThan(cellBytes(c - 1));
    expect(cellBytes(c) % 64).toBe(0);
  }
  for (const keyBytes of [1, 24, 25, 1024]) {
    for (const valueBytes of [0, 1, 31, 32, 33, 1000, 1024, 65_536, 2 ** 20 - 1, 2 ** 20]) {
      const bytes = copyBytes(keyBytes, valueBytes);
      const sizeClass = sizeClassFor(bytes);
      expect(copyCapacity(sizeClass)).toBeGreaterThanOrEqual(bytes);
      if (sizeClass > 0) expect(copyCapacity(sizeClass - 1)).toBeLessThan(bytes);
      expect(8 + 2 * copyCapacity(sizeClass)).toBeLessThanOrEqual(cellBytes(sizeClass));
    }
  }
});

test("in a root chunk of any size nothing overlaps, and the buckets fill the second half", () => {
  for (const chunkBytes of [2 ** 20, 2 ** 22, 2 ** 24, 2 ** 26]) {
    const geometry = new RootGeometry(chunkBytes);
    expect(geometry.tableWord(0)).toBe(geometry.leaseRecord(4095) + 64);
    expect(geometry.tableWord(geometry.chunkNumbers - 1) + 8).toBeLessThanOrEqual(chunkBytes / 2);
    expect(geometry.homeBucket(0)).toBe(chunkBytes / 2);
    expect(geometry.homeBucket(geometry.homeBuckets - 1) + 256).toBe(chunkBytes);
  }
});
