// Link words: the examples of FORMAT.md section 10, every field at its limits, and that damage does
// not turn one kind of word into another.

import fc from "fast-check";
import { expect, test } from "vitest";
import { type Address, addressOf } from "./address.ts";
import { wordAt } from "./checked-word.ts";
import { checksum64 } from "./checksum.ts";
import { formatExample } from "./format-example.ts";
import {
  addressIn,
  gcVersionIn,
  gcVersionMost,
  headMarkOf,
  isPending,
  isPointer,
  type Link,
  linkIn,
  type Pointer,
  pointerText,
  pointerTo,
  sealOf,
  withoutPending,
  withPending,
} from "./link-word.ts";

const self = pointerTo(addressOf(5, 1280), 3);
const next = pointerTo(addressOf(4102, 64), 1);

const offset = fc.oneof(
  fc.constantFrom(0, 64, 2 ** 25, 2 ** 26 - 64),
  fc.integer({ min: 0, max: 2 ** 20 - 1 }).map((units) => units * 64),
);
const chunk = fc.oneof(
  fc.constantFrom(1, 2 ** 12 - 1, 2 ** 12, 2 ** 20 - 1),
  fc.integer({ min: 1, max: 2 ** 20 - 1 }),
);
const gcVersion = fc.oneof(
  fc.constantFrom(1, 255, 256, gcVersionMost),
  fc.integer({ min: 1, max: gcVersionMost }),
);
const address: fc.Arbitrary<Address> = fc.tuple(chunk, offset).map((parts) => addressOf(...parts));
const pointer = fc.tuple(address, gcVersion).map((parts) => pointerTo(...parts));

/** What is read in the buffer `own` if any one byte of the word is changed in any way. */
function readings(own: Pointer, word: bigint): Link[] {
  const found: Link[] = [];
  for (let shift = 0n; shift < 64n; shift += 8n) {
    for (let mask = 1n; mask < 256n; mask += 1n) {
      const changed = word ^ (mask << shift);
      // A change of the pending mark alone is none.
      if (withoutPending(changed) !== withoutPending(word)) found.push(linkIn(own, changed));
    }
  }
  return found;
}

test("the words of FORMAT.md are an end, a link that is pending, and a seal", () => {
  const end = wordAt(formatExample("link-end"), 0);
  expect(end).toBe(self);
  expect(linkIn(self, end)).toBe("end");
  expect(addressIn(end)).toBe(addressOf(5, 1280));
  expect(gcVersionIn(end)).toBe(3);
  const link = wordAt(formatExample("link-next"), 0);
  expect(link).toBe(withPending(next));
  expect(isPending(link)).toBe(true);
  expect(linkIn(self, link)).toBe(next);
  const seal = wordAt(formatExample("link-sealed"), 0);
  expect(seal).toBe(withPending(sealOf(self)));
  expect(linkIn(self, seal)).toBe("sealed");
});

test("a pointer gives back chunk, offset and GC version, up to their limits", () => {
  fc.assert(
    fc.property(address, gcVersion, (where, life) => {
      const word = pointerTo(where, life);
      expect(addressIn(word)).toBe(where);
      expect(gcVersionIn(word)).toBe(life);
      expect(isPointer(word)).toBe(true);
      expect(word >> 62n).toBe(0n);
    }),
  );
});

test("pointers of different buffers or lives differ, so an old expectation never matches", () => {
  fc.assert(
    fc.property(address, gcVersion, address, gcVersion, (one, life, other, otherLife) => {
      const isSame = one === other && life === otherLife;
      expect(pointerTo(one, life) === pointerTo(other, otherLife)).toBe(isSame);
    }),
  );
});

test("a pending mark says nothing but that, on every kind of word", () => {
  fc.assert(
    fc.property(pointer, pointer, (own, other) => {
      for (const word of [own, other, sealOf(own), sealOf(other)]) {
        expect(isPending(word)).toBe(false);
        expect(isPending(withPending(word))).toBe(true);
        expect(withoutPending(withPending(word))).toBe(word);
        expect(linkIn(own, withPending(word))).toBe(linkIn(own, word));
        expect(isPointer(withPending(word))).toBe(false);
      }
    }),
  );
});

test("a word is an end, a seal or a link of one buffer in one life only", () => {
  fc.assert(
    fc.property(pointer, pointer, (own, other) => {
      // Another life of the same buffer is no link: see link-own-place.test.ts.
      fc.pre(addressIn(own) !== addressIn(other));
      expect(linkIn(own, own)).toBe("end");
      expect(linkIn(own, sealOf(own))).toBe("sealed");
      expect(linkIn(own, other)).toBe(other);
      const isSameSeal = sealOf(own) === sealOf(other);
      expect(linkIn(own, sealOf(other))).toBe(isSameSeal ? "sealed" : "damaged");
    }),
  );
  expect(linkIn(self, sealOf(pointerTo(addressOf(5, 1280), 4)))).toBe("damaged");
  expect(linkIn(self, sealOf(pointerTo(addressOf(5, 1344), 3)))).toBe("damaged");
});

test("no damage of one byte makes a seal of a link or an end, or anything of a seal", () => {
  // Next buffers that a seal could be mistaken for, if it kept the chunk and inverted the offset.
  const inverted = self ^ 0xfffffn;
  fc.assert(
    fc.property(pointer, fc.oneof(pointer, fc.constant(inverted)), (some, other) => {
      for (const own of [some, self]) {
        const links = [own, other, withPending(own), withPending(other)];
        const asLink = links.flatMap((word) => readings(own, word));
        expect(asLink).not.toContain("sealed");
        expect(new Set(readings(own, sealOf(own)))).toEqual(new Set(["damaged"]));
        expect(readings(own, own)).not.toContain("end");
      }
    }),
    { numRuns: 5 },
  );
});

test("what no buffer can be named by is no pointer", () => {
  expect(isPointer(0n)).toBe(false);
  expect(isPointer(self & ~(0xfffffn << 20n)), "in the root chunk").toBe(false);
  expect(isPointer(self & 0xffffffffffn), "of no life").toBe(false);
  expect(isPointer(sealOf(self))).toBe(false);
  for (const word of [0n, 1n, self & 0xffffffffffn]) expect(linkIn(self, word)).toBe("damaged");
});

test("a pointer that does not fit is our bug", () => {
  expect(() => pointerTo(addressOf(1, 0), 0)).toThrow(/GC version/);
  expect(() => pointerTo(addressOf(1, 0), gcVersionMost + 1)).toThrow(/GC version/);
  expect(() => pointerTo(addressOf(1, 8), 1)).toThrow(/multiple of 64/);
});

test("a head mark is neither the buffer's pointer nor wiped, and is told in words", () => {
  expect(headMarkOf(self)).not.toBe(self);
  expect(withoutPending(headMarkOf(self))).toBe(self);
  expect(headMarkOf(self)).toBe(wordAt(formatExample("head-mark"), 0));
  expect(pointerText(self)).toBe("chunk 5 + 1280, GC version 3");
});

test("the shortcut cell of FORMAT.md is a pointer, at the place that the key's hash gives", () => {
  expect(wordAt(formatExample("shortcut-cell"), 0)).toBe(self);
  const hash = checksum64(new TextEncoder().encode("greeting"));
  expect(hash).toBe(0xe7c5ca42cd4bed7fn);
  expect(Number(hash % (2n ** 24n / 8n)) * 8).toBe(6_253_560);
});
