// Data buffers: the example of FORMAT.md section 11, round trips, and that no damage of a header, a
// key or a value is believed.

import fc from "fast-check";
import { expect, test } from "vitest";
import { addressOf } from "./address.ts";
import { highOf, lowOf, wordAt } from "./checked-word.ts";
import { checksum64 } from "./checksum.ts";
import {
  bufferCommitNumber,
  bufferFields,
  bufferHeaderBytes,
  bufferImageBytes,
  bufferKeyBytes,
  bufferValueBytes,
  bufferValueOffset,
  checkBody,
  decodeBufferHeader,
  encodeBuffer,
  isBufferAtRest,
  renewHeader,
} from "./data-buffer.ts";
import { formatExample } from "./format-example.ts";
import {
  gcVersionMost,
  type Pointer,
  pointerOf,
  pointerTo,
  sealOf,
  withPending,
} from "./link-word.ts";

const self = pointerTo(addressOf(5, 1280), 3);
const encoder = new TextEncoder();
const greeting = { link: self, headMark: self, commitNumber: 9, self, valueBytes: 5, keyBytes: 8 };

/** Whether a reader who wants key and value of these bytes would take them. */
function isBelieved(bytes: Uint8Array): boolean {
  const header = decodeBufferHeader(bytes);
  return header !== undefined && checkBody(bytes, header) === "ok";
}

function ofSizes(keyBytes: number, valueBytes: number, pointer: Pointer = self): Uint8Array {
  const [key, value] = [keyBytes, valueBytes].map((length) =>
    Uint8Array.from({ length }, (_, i) => i * 7 + 1),
  ) as [Uint8Array, Uint8Array];
  return encodeBuffer(pointer, 2 ** 33 + 1, key, value).slice();
}

test("the buffer of FORMAT.md says greeting: hello, at its place, in its life", () => {
  const bytes = formatExample("data-buffer");
  expect(encodeBuffer(self, 9, encoder.encode("greeting"), encoder.encode("hello"))).toEqual(bytes);
  expect(decodeBufferHeader(bytes)).toEqual(greeting);
  expect(checkBody(bytes, greeting)).toBe("ok");
  const start = bufferValueOffset(greeting.keyBytes);
  expect(Buffer.from(bytes.subarray(bufferHeaderBytes, start)).toString()).toBe("greeting");
  expect(Buffer.from(bytes.subarray(start, start + 5)).toString()).toBe("hello");
});

test("every key and value comes back, wherever the bytes stand", () => {
  const bytes = (most: number) => fc.uint8Array({ minLength: 0, maxLength: most, size: "max" });
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 40 }),
      bytes(300),
      fc.constantFrom(1, 255, 2 ** 32, Number.MAX_SAFE_INTEGER),
      fc.constantFrom(
        pointerTo(addressOf(1, 0), 1),
        pointerTo(addressOf(2 ** 20 - 1, 2 ** 26 - 64), gcVersionMost),
      ),
      fc.nat({ max: 9 }),
      (key, value, commitNumber, pointer, before) => {
        const image = encodeBuffer(pointer, commitNumber, key, value);
        expect(image.length).toBe(bufferImageBytes(key.length, value.length));
        expect(image.length % 8).toBe(0);
        const copy = new Uint8Array(before + image.length).fill(0xee).subarray(before);
        copy.set(image);
        const header = decodeBufferHeader(copy);
        expect(header).toEqual({
          link: pointer,
          headMark: pointer,
          commitNumber,
          self: pointer,
          valueBytes: value.length,
          keyBytes: key.length,
        });
        expect(checkBody(copy, { ...greeting, ...header })).toBe("ok");
        const start = bufferValueOffset(key.length);
        expect(copy.subarray(bufferHeaderBytes, bufferHeaderBytes + key.length)).toEqual(key);
        expect(copy.subarray(start, start + value.length)).toEqual(value);
      },
    ),
  );
});

test.each([
  [8, 5],
  [1, 0],
  [9, 1],
  [24, 300],
])("any damaged byte behind the link words shows: key of %i, value of %i bytes", (key, value) => {
  const bytes = ofSizes(key, value);
  expect(isBelieved(bytes)).toBe(true);
  for (let at = bufferFields.headerChecksum; at < bufferValueOffset(key) + value; at += 1) {
    const intact = bytes[at] as number;
    for (let mask = 1; mask < 256; mask += at < bufferHeaderBytes ? 1 : 51) {
      bytes[at] = intact ^ mask;
      expect(isBelieved(bytes), `byte ${at} ^ ${mask}`).toBe(false);
    }
    bytes[at] = intact;
  }
  expect(isBelieved(bytes)).toBe(true);
});

test("link and head mark change without the rest, and are given as they stand", () => {
  const bytes = ofSizes(8, 5);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(bufferFields.link, 77n, true);
  view.setBigUint64(bufferFields.headMark, 0n, true);
  expect(decodeBufferHeader(bytes)).toMatchObject({ link: 77n, headMark: 0n, self });
  expect(isBelieved(bytes)).toBe(true);
});

test("two versions that are mixed at any word are not believed", () => {
  const [one, other] = [ofSizes(8, 64), ofSizes(8, 64, pointerTo(addressOf(5, 1280), 4))];
  for (let i = bufferValueOffset(8); i < other.length; i += 1) other[i] = i % 251;
  const second = encodeBuffer(self, 12, other.subarray(64, 72), other.subarray(72, 136));
  for (let at = 24; at < one.length; at += 8) {
    const mixed = one.slice();
    mixed.set(second.subarray(at), at);
    expect(isBelieved(mixed), `new from ${at} on`).toBe(false);
    const opposite = second.slice();
    opposite.set(one.subarray(at), at);
    expect(isBelieved(opposite), `old from ${at} on`).toBe(false);
  }
});

test("too few bytes are no header, or a body of which nothing can be said", () => {
  const bytes = ofSizes(9, 13);
  const end = bufferValueOffset(9) + 13;
  for (let length = 0; length <= end; length += 1) {
    const part = bytes.subarray(0, length);
    const header = decodeBufferHeader(part);
    expect(header === undefined).toBe(length < bufferHeaderBytes);
    if (header !== undefined) expect(checkBody(part, header)).toBe(length < end ? "short" : "ok");
  }
});

test("memory that was never written, or holds a reserved byte, is no version", () => {
  expect(decodeBufferHeader(new Uint8Array(128))).toBeUndefined();
  for (let at = 54; at < bufferHeaderBytes; at += 1) {
    const bytes = ofSizes(8, 5);
    bytes[at] = 1;
    const view = new DataView(bytes.buffer);
    view.setBigUint64(bufferFields.headerChecksum, checksum64(bytes.subarray(24, 64)), true);
    expect(decodeBufferHeader(bytes), `byte ${at}`).toBeUndefined();
  }
});

test("a renewed header has another number, place and life, and leaves key and value alone", () => {
  const bytes = ofSizes(24, 100);
  const before = bytes.slice();
  const other = pointerTo(addressOf(6, 64), 9);
  new DataView(bytes.buffer).setBigUint64(bufferFields.link, 77n, true);
  renewHeader(bytes, other, 10);
  expect(bytes.subarray(bufferHeaderBytes)).toEqual(before.subarray(bufferHeaderBytes));
  expect(decodeBufferHeader(bytes)).toEqual({
    link: other,
    headMark: other,
    commitNumber: 10,
    self: other,
    valueBytes: 100,
    keyBytes: 24,
  });
  expect(isBelieved(bytes)).toBe(true);
  expect(wordAt(bytes, bufferFields.bodyChecksum)).toBe(wordAt(before, bufferFields.bodyChecksum));
  expect(() => renewHeader(bytes, other, 0)).toThrow(/commit number/);
  expect(() => renewHeader(bytes, other, 2 ** 53)).toThrow(/commit number/);
});

/** As a reader asks who wants the latest version in the life `pointer`. */
function isAtRest(bytes: Uint8Array, pointer: Pointer = self): boolean {
  return isBufferAtRest(bytes, lowOf(pointer), highOf(pointer));
}

test("a version at rest is told without a bigint, and nothing else passes for one", () => {
  const last = pointerTo(addressOf(2 ** 20 - 1, 2 ** 26 - 64), gcVersionMost);
  for (const pointer of [self, last]) {
    expect(pointerOf(lowOf(pointer), highOf(pointer))).toBe(pointer);
    const bytes = ofSizes(5, 21, pointer);
    expect(isAtRest(bytes, pointer)).toBe(true);
    expect(bufferCommitNumber(bytes)).toBe(2 ** 33 + 1);
    expect([bufferKeyBytes(bytes), bufferValueBytes(bytes)]).toEqual([5, 21]);
    // More bytes behind it are no matter, fewer are.
    const end = bufferValueOffset(5) + 21;
    expect(isAtRest(Uint8Array.of(...bytes, 9, 9, 9), pointer)).toBe(true);
    for (let size = 0; size < end; size += 1) {
      expect(isAtRest(bytes.slice(0, size), pointer), `${size} bytes`).toBe(false);
    }
    for (let at = 0; at < end; at += 1) {
      const spoilt = bytes.slice();
      spoilt[at] = (spoilt[at] as number) ^ 0x20;
      const isMark = at >= bufferFields.headMark && at < bufferFields.headerChecksum;
      expect(isAtRest(spoilt, pointer), `byte ${at}`).toBe(isMark);
    }
  }
  const otherLife = pointerTo(addressOf(5, 1280), 4);
  expect(isAtRest(ofSizes(5, 21), otherLife)).toBe(false);
  // The link was loaded in one life, and the bytes behind it are those of the next one.
  const torn = ofSizes(5, 21, otherLife);
  new DataView(torn.buffer).setBigUint64(bufferFields.link, self, true);
  expect(isAtRest(torn)).toBe(false);
  for (const link of [otherLife, last, withPending(self), sealOf(self), 0n]) {
    const bytes = ofSizes(5, 21);
    new DataView(bytes.buffer).setBigUint64(bufferFields.link, link, true);
    expect(isAtRest(bytes), `link ${link.toString(16)}`).toBe(false);
  }
});

test("the largest key and value make the largest buffer", () => {
  const bytes = ofSizes(1024, 2 ** 20);
  expect(bytes.length).toBe(bufferHeaderBytes + 1024 + 2 ** 20);
  expect(isBelieved(bytes)).toBe(true);
  bytes[bytes.length - 1] = (bytes[bytes.length - 1] as number) ^ 1;
  expect(isBelieved(bytes)).toBe(false);
});
