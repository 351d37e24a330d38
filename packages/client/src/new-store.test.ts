// A store that exists keeps what was fixed at its creation: another wish is refused, not ignored.

import type { StoreLabel } from "@pdpm/layout/region-header";
import { expect, test } from "vitest";
import { labelOfNew, mismatch } from "./new-store.ts";
import { type CheckedOptions, clientOptions } from "./options.ts";

const MIB = 2 ** 20;
const wish = (options: object): CheckedOptions<Uint8Array> => clientOptions(options, "open");

test("the options that a store was made with fit it, and none at all do, too", () => {
  for (const options of [
    {},
    { maxBytes: 64 * MIB },
    { maxBytes: 100 * MIB, chunkBytes: 8 * MIB },
    { design: "direct", durability: "process", cursors: 5 },
    { cursors: 5, eviction: "lru" },
  ]) {
    const label: StoreLabel = labelOfNew(wish(options), 1);
    expect(mismatch(wish(options), label)).toBeNull();
    expect(mismatch(wish({}), label)).toBeNull();
  }
});

test.each([
  [{}, { maxBytes: 64 * MIB }, "the store's size is without a bound, fixed at its creation"],
  [{ maxBytes: 64 * MIB }, { maxBytes: 128 * MIB }, "the store's size is 67108864 bytes"],
  [{ maxBytes: 64 * MIB }, { maxBytes: 32 * MIB }, "the store's size is 67108864 bytes"],
  [{}, { chunkBytes: 8 * MIB }, "the store's chunks have 16777216 bytes"],
  [{}, { durability: "process" }, "the store's durability is power"],
  [{}, { design: "direct" }, "the store is of design clover, not direct"],
  [{ design: "direct" }, { eviction: "lru" }, "eviction is for clover"],
  [{ design: "central" }, { eviction: "fifo" }, "eviction is for clover"],
  [{ design: "central" }, { cursors: 7 }, "whose clients remember no keys"],
])("a store made with %o refuses %o", (made, asked, text) => {
  expect(mismatch(wish(asked), labelOfNew(wish(made), 1))).toContain(text);
});
