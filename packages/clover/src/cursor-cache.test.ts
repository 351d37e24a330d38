// The cursor cache against a plain Map that does the same, and its limits one by one.

import { type Key, keyBytesMost, toKey } from "@pdpm/kv";
import { addressOf, gcVersionIn, gcVersionMost, type Pointer, pointerTo } from "@pdpm/layout";
import fc from "fast-check";
import { expect, test } from "vitest";
import { CursorCache, cursorsMost } from "./cursor-cache.ts";

interface Cursor {
  readonly pointer: Pointer;
  readonly commitNumber: number;
  readonly readBytes: number;
  isStale: boolean;
}

/** The same, made of objects: a Map keeps the order in which its keys were put in. */
class Model {
  readonly cursors: Map<Key, Cursor> = new Map();
  readonly capacity: number;
  readonly isLru: boolean;

  constructor(capacity: number, isLru: boolean) {
    this.capacity = capacity;
    this.isLru = isLru;
  }

  find(key: Key): Cursor | undefined {
    const found = this.cursors.get(key);
    if (found !== undefined && this.isLru) {
      this.cursors.delete(key);
      this.cursors.set(key, found);
    }
    return found;
  }

  set(key: Key, cursor: Cursor): void {
    if (this.capacity === 0) return;
    const known = this.find(key);
    if (known !== undefined) cursor.isStale = known.isStale;
    else if (this.cursors.size === this.capacity) {
      this.cursors.delete(this.cursors.keys().next().value as Key);
    }
    this.cursors.set(key, cursor);
  }
}

/** Few keys, of every form and near every limit, so that they meet again. */
const someKeys: readonly Key[] = [
  ..."abcdefghijklmnop",
  ...[4, 5, 24, 31, 32, 33, 44, 45, 500, keyBytesMost].map((length) => "k".repeat(length)),
  `${"k".repeat(31)}\0`,
  "k\0",
  "\0",
  "\u00ff",
  Uint8Array.of(0xff), // The same characters behind its mark.
  Uint8Array.of(0xff, 0),
  Uint8Array.from({ length: keyBytesMost }, () => 0x80),
  Uint8Array.from({ length: 33 }, () => 0x80),
  "\u0080".repeat(33),
  "\u0100",
  "\u0100\0",
  "\0\u0001", // The same as the one before, if a character had a byte whatever it is.
  "\ufffd".repeat(16),
  "\ufffd".repeat(17),
  `${"k".repeat(keyBytesMost - 3)}\ufffd`,
  "\u{1f511}",
].map(toKey);

const someKey = fc.constantFrom(...someKeys);
const operation = fc.oneof(
  { weight: 6, arbitrary: fc.record({ does: fc.constant("set" as const), key: someKey }) },
  { weight: 3, arbitrary: fc.record({ does: fc.constant("find" as const), key: someKey }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant("stale" as const), key: someKey }) },
  { weight: 3, arbitrary: fc.record({ does: fc.constant("delete" as const), key: someKey }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant("clear" as const), key: someKey }) },
);
// All collide; all in one chain around the table's end; few collide; as it is.
const hashMask = fc.constantFrom(0, 0x1c00001f, 0x0800001f, -1);

function cursorOf(nth: number): Cursor {
  const pointer = pointerTo(addressOf(1 + nth, 64 * nth), 1 + nth);
  return { pointer, commitNumber: 2 ** 40 + nth, readBytes: 64 + nth, isStale: false };
}

function read(cache: CursorCache, key: Key): Cursor | undefined {
  const entry = cache.find(key);
  if (entry === -1) return undefined;
  return {
    pointer: cache.pointer(entry),
    commitNumber: cache.commitNumber(entry),
    readBytes: cache.readBytes(entry),
    isStale: cache.isStaleLately(entry),
  };
}

function apply(
  cache: CursorCache,
  model: Model,
  nth: number,
  one: { does: string; key: Key },
): void {
  const { does, key } = one;
  if (does === "set") {
    const { pointer, commitNumber, readBytes } = cursorOf(nth);
    const entry = cache.set(key, pointer, commitNumber, readBytes);
    model.set(key, cursorOf(nth));
    expect(entry === -1).toBe(model.capacity === 0);
    if (entry !== -1) expect(cache.pointer(entry)).toBe(pointer);
  } else if (does === "find") {
    expect(read(cache, key)).toEqual(model.find(key));
  } else if (does === "stale") {
    const known = model.find(key);
    cache.markStale(cache.find(key), nth % 3 > 0);
    if (known !== undefined) known.isStale = nth % 3 > 0;
  } else if (does === "delete") {
    cache.delete(key);
    model.cursors.delete(key);
  } else {
    cache.clear();
    model.cursors.clear();
  }
  expect(cache.size).toBe(model.cursors.size);
}

test.each(["fifo", "lru"] as const)("a %s cache does what a plain Map does", (eviction) => {
  const capacities = fc.constantFrom(0, 1, 2, 5, 15, 30, 1000);
  const operations = fc.array(operation, { size: "max", maxLength: 200 });
  fc.assert(
    fc.property(capacities, hashMask, operations, (capacity, mask, list) => {
      const cache = new CursorCache(capacity, { eviction, hashMask: mask });
      const model = new Model(capacity, eviction === "lru");
      for (const [nth, one] of list.entries()) apply(cache, model, nth, one);
      for (const key of someKeys) expect(read(cache, key)).toEqual(model.find(key));
    }),
    { numRuns: 150 },
  );
});

/** Which of these keys are known; in an LRU cache asking is a use, so ask last. */
function known(cache: CursorCache, keys: string): string {
  return [...keys].filter((key) => cache.find(toKey(key)) !== -1).join("");
}

function put(cache: CursorCache, keys: string): void {
  for (const key of keys) cache.set(toKey(key), pointerTo(addressOf(1, 0), 1), 1, 64);
}

test("FIFO drops the key that came first, whatever was used or replaced since", () => {
  const cache = new CursorCache(3);
  put(cache, "abca");
  expect(known(cache, "abc")).toBe("abc");
  put(cache, "d");
  expect(known(cache, "abcd")).toBe("bcd");
  cache.delete(toKey("c"));
  put(cache, "e");
  expect(known(cache, "abcde")).toBe("bde");
  put(cache, "fg");
  expect(known(cache, "abcdefg")).toBe("efg");
});

test("LRU drops the key that was found or set longest ago", () => {
  const cache = new CursorCache(3, { eviction: "lru" });
  put(cache, "abc");
  cache.find(toKey("a"));
  put(cache, "bd");
  expect(known(cache, "dcba")).toBe("dba");
  put(cache, "e");
  expect(known(cache, "abde")).toBe("abe");
});

test("a cache of capacity 0 knows nothing and takes nothing", () => {
  const cache = new CursorCache(0);
  expect(cache.set(toKey("a"), pointerTo(addressOf(1, 0), 1), 1, 64)).toBe(-1);
  expect(cache.find(toKey("a"))).toBe(-1);
  cache.delete(toKey("a"));
  expect(cache.size).toBe(0);
  expect(() => new CursorCache(-1)).toThrow(/capacity/);
  expect(() => new CursorCache(1.5)).toThrow(/capacity/);
  expect(() => new CursorCache(cursorsMost + 1)).toThrow(/capacity/);
});

test("every field keeps the smallest and the largest that it may have", () => {
  const cache = new CursorCache(2);
  const far = pointerTo(addressOf(2 ** 20 - 1, 2 ** 26 - 64), gcVersionMost);
  const near = pointerTo(addressOf(1, 0), 1);
  const most = Number.MAX_SAFE_INTEGER;
  for (const [pointer, number, bytes] of [
    [far, most, 2 ** 24 - 1],
    [near, 0, 0],
    [far, 2 ** 32, 1],
  ] as const) {
    const entry = cache.set(toKey("a"), pointer, number, bytes);
    cache.markStale(entry, true);
    expect(cache.pointer(entry)).toBe(pointer);
    expect(cache.address(entry)).toBe(pointer === far ? 2 ** 46 - 64 : addressOf(1, 0));
    expect(cache.gcVersion(entry)).toBe(gcVersionIn(pointer));
    expect(BigInt(cache.pointerLow(entry))).toBe(pointer & 0xffffffffn);
    expect(BigInt(cache.pointerHigh(entry))).toBe(pointer >> 32n);
    expect(cache.commitNumber(entry)).toBe(number);
    expect(cache.readBytes(entry)).toBe(bytes);
    expect(cache.isStaleLately(entry)).toBe(true);
    expect(cache.find(toKey("a"))).toBe(entry);
  }
  expect(() => cache.set(toKey("a"), near, 2 ** 53, 1)).toThrow(/safe integer/);
  expect(() => cache.set(toKey("a"), near, -1, 1)).toThrow(/negative/);
  expect(() => cache.set(toKey("a"), near, 1, 2 ** 24)).toThrow(/24 bits/);
});

test("an entry that was dropped is not read, and marking what is not known does nothing", () => {
  const cache = new CursorCache(1);
  const entry = cache.set(toKey("a"), pointerTo(addressOf(1, 0), 1), 1, 64);
  cache.delete(toKey("a"));
  expect(() => cache.address(entry)).toThrow(/dropped/);
  expect(() => cache.markStale(entry, true)).toThrow(/dropped/);
  expect(() => cache.pointer(-1)).toThrow(/no such cursor/);
  expect(() => cache.commitNumber(2)).toThrow(/no such cursor/);
  cache.markStale(cache.find(toKey("a")), true);
  const again = cache.set(toKey("a"), pointerTo(addressOf(1, 0), 1), 1, 64);
  expect(cache.isStaleLately(again)).toBe(false);
});

test("a cursor of a 24-byte key takes at most 150 bytes, however many there are", () => {
  const cache = new CursorCache(cursorsMost);
  const pointer = pointerTo(addressOf(1, 0), 1);
  const keyOf = (nth: number) => toKey(`user${String(nth).padStart(20, "0")}`);
  const count = 150_000;
  let worst = 0;
  for (let nth = 0; nth < count; nth += 1) {
    cache.set(keyOf(nth), pointer, nth, 64);
    if (nth >= 16_384) worst = Math.max(worst, cache.bytes / (nth + 1));
  }
  expect(worst).toBeLessThan(150);
  const wrong = Array.from({ length: count }, (_, nth) => nth).filter((nth) => {
    const entry = cache.find(keyOf(nth));
    return entry === -1 || cache.commitNumber(entry) !== nth;
  });
  expect(wrong).toEqual([]);
  expect(cache.find(keyOf(count))).toBe(-1);
  cache.clear();
  expect(cache.bytes).toBeLessThan(2 ** 20);
});

test("the space of long keys is used again, also when other lengths come", () => {
  const capacity = 100;
  const cache = new CursorCache(capacity);
  const empty = cache.bytes;
  const pointer = pointerTo(addressOf(1, 0), 1);
  let most = 0;
  let lost = 0;
  for (let nth = 0; nth < 20_000; nth += 1) {
    // Lengths drift through all sizes, back and forth.
    const length = 40 + Math.floor(Math.abs(Math.sin(nth / 900)) * 984);
    const key = toKey(String(nth).padStart(length, "long "));
    const entry = cache.set(key, pointer, nth, 64);
    if (cache.find(key) !== entry || cache.commitNumber(entry) !== nth) lost += 1;
    most = Math.max(most, cache.bytes - empty);
  }
  expect(lost).toBe(0);
  // The longest take blocks of 1536 bytes; half of the array may be free when it is rebuilt.
  expect(most).toBeLessThan(capacity * 1536 * 1.6);
});
