// Records as bytes: what is written is read again, and a damaged record is never believed.

import { expect, test } from "vitest";
import { bits, buffer } from "./contract-scene.ts";
import { decodeRecord, encodeRecord, endOf, type RecordName } from "./record.ts";
import * as records from "./records.ts";
import type { ReplyValue } from "./reply-value.ts";

const reply: ReplyValue = {
  spans: [{ chunk: 3, span: 1, bitmap: bits(1, 5) }],
  moves: ["moved", "moved", { head: buffer(1, 2) }, null, true, false],
  number: 2 ** 53 - 1,
};

/** A record of every kind. */
const samples: readonly [RecordName<unknown>, unknown][] = [
  [records.directoryOf(Uint8Array.of(0, 255)), { head: buffer(1, 1), stale: [buffer(2, 2)] }],
  [
    records.spanOf(1, 2),
    { owner: 9, sequence: 2 ** 40, leased: bits(1), free: bits(2), spent: bits(3) },
  ],
  [records.queueEntryOf({ sizeClass: 1, sequence: 2, chunk: 3, span: 4 }), true],
  [
    records.chunkRecordOf(7),
    { node: 3, place: 70000, sizeClass: 5, state: "withdrawn", retiredAt: 0 },
  ],
  [records.tableRecord, { generation: 5, pressure: 2 ** 33, nextChunk: 9, places: [3, 0] }],
  [records.clientOf(8), { pid: 2 ** 32 - 1, kind: "pulse", state: "dead" }],
  [records.acknowledgedOf(8), 12],
  [records.leasedOf(8), [1, 2 ** 36]],
  [records.slotOf(8, 255), { sequence: 4, isComplete: false, reply }],
  [records.buriedRecord, [1, 2, 3]],
  [records.floorOf(255), 2 ** 50],
  [records.officeOf("collector"), 8],
];

test.each(samples)("$key reads as it was written", (name, value) => {
  expect(decodeRecord(name, encodeRecord(name.kind, value))).toEqual(value);
});

test.each(samples)("$key with a changed, missing or added byte is corrupt", (name, value) => {
  const bytes = encodeRecord(name.kind, value);
  const corrupt = expect.objectContaining({
    code: "PDPM_CORRUPT",
    message: expect.stringContaining(JSON.stringify(name.key)),
  });
  const expectCorrupt = (damaged: Uint8Array): void => {
    let error: unknown;
    try {
      decodeRecord(name, damaged);
    } catch (caught) {
      error = caught;
    }
    expect(error).toEqual(corrupt);
  };
  for (let at = 0; at < bytes.length; at += 1) {
    expectCorrupt(bytes.map((byte, index) => (index === at ? byte ^ 0x40 : byte)));
    expectCorrupt(bytes.subarray(0, at));
  }
  expectCorrupt(Uint8Array.of(...bytes, 0));
});

test("bytes that verify but mean nothing are corrupt", () => {
  const byte = { write: (to: { byte(value: number): void }) => to.byte(77), read: () => null };
  for (const [name] of samples) {
    // Of one byte no record is: too short for most, too long for a mark.
    expect(() => decodeRecord(name, encodeRecord(byte, null)), name.key).toThrow("PDPM_CORRUPT");
  }
  const noPointer = { write: (to: { word(value: bigint): void }) => to.word(5n), read: () => null };
  const directory = records.directoryOf(Uint8Array.of(1));
  expect(() => decodeRecord(directory, encodeRecord(noPointer, null))).toThrow("PDPM_CORRUPT");
});

test("a batch's equal replies take no room", () => {
  const name = records.slotOf(1, 1);
  const moves = new Array<string>(4096).fill("moved");
  const bytes = encodeRecord(name.kind, { sequence: 1, isComplete: true, reply: moves });
  expect(bytes.length).toBeLessThan(64);
});

test("store keys sort as what they name, and name it again", () => {
  const entries = [
    { sizeClass: 1, sequence: 9, chunk: 300, span: 7 },
    { sizeClass: 1, sequence: 10, chunk: 2, span: 0 },
    { sizeClass: 1, sequence: 2 ** 45, chunk: 1, span: 3 },
    { sizeClass: 20, sequence: 1, chunk: 2, span: 0 },
  ];
  const keys = entries.map((entry) => records.queueEntryOf(entry).key);
  expect([...keys].sort()).toEqual(keys);
  expect(keys.map(records.queueEntryIn)).toEqual(entries);
  expect(() => records.queueEntryIn("free/01/x")).toThrow("PDPM_CORRUPT");
  expect(records.chunkIn(records.chunkRecordOf(4000).key)).toBe(4000);
  expect(records.clientIn(records.clientOf(2 ** 27 - 1).key)).toBe(2 ** 27 - 1);
  const key = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  expect(records.keyIn(records.directoryOf(key).key)).toEqual(key);
});

test("the end of a prefix is behind every key that begins with it", () => {
  expect(endOf("ab")).toBe("ac");
  expect(endOf("a\xff\xff")).toBe("b");
  expect(() => endOf("\xff")).toThrow("has no end");
});
