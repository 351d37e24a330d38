// The examples of FORMAT.md sections 14 and 15 are what the codecs write, and decode to what the
// text says of them.

import { addressOf, pointerTo } from "@pdpm/layout";
import { expect, test } from "vitest";
import { formatExample } from "../../layout/src/format-example.ts";
import { decodeRecord, encodeRecord, type RecordName } from "./record.ts";
import { directoryOf, type SpanRecord, slotOf, spanOf } from "./records.ts";
import { decodeMessage, encodeMessage } from "./wire.ts";

const key: Uint8Array = new TextEncoder().encode("greeting");
const pointer: bigint = pointerTo(addressOf(5, 1280), 3);
const create = { do: "create", key, pointer, commitNumber: 1 };
const ticket = { client: 7, slot: 0, sequence: 9 };

function expectRecord<T>(example: string, name: RecordName<T>, storeKey: string, value: T): void {
  const bytes = formatExample(example);
  expect(name.key).toBe(storeKey);
  expect(encodeRecord(name.kind, value)).toEqual(bytes);
  expect(decodeRecord(name, bytes)).toEqual(value);
}

test("the records of section 14", () => {
  const head = { head: pointer, stale: [] };
  expectRecord("directory-record", directoryOf(key), "directory/greeting", head);
  const span: SpanRecord = {
    owner: 7,
    sequence: 0,
    leased: Uint8Array.of(0b1100_0000, 0),
    free: Uint8Array.of(0, 0b11),
    spent: Uint8Array.of(1, 0),
  };
  expectRecord("span-record", spanOf(5, 0), "span/00005/0000", span);
  const slot = { sequence: 9, isComplete: true, reply: "created" };
  expectRecord("slot-record", slotOf(7, 0), "slot/0000007/00", slot);
});

test("the messages of section 15", () => {
  const call = ["call", 1, { ticket, change: create }] as const;
  expect(encodeMessage(call)).toEqual(Buffer.from(formatExample("create-call")));
  const decoded = decodeMessage(formatExample("create-call"));
  expect(decoded).toBeDefined();
  const { change } = (decoded as readonly unknown[])[2] as { change: typeof create };
  expect(decoded).toEqual(["call", 1, { ticket, change: { ...create, key: change.key } }]);
  expect([...change.key]).toEqual([...key]);
  const answer = ["ok", 1, "created"] as const;
  expect(encodeMessage(answer)).toEqual(Buffer.from(formatExample("ok-answer")));
  expect(decodeMessage(formatExample("ok-answer"))).toEqual(answer);
});
