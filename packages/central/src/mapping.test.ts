// The mapping in memory is bounded: what came first goes first.

import type { Key } from "@pdpm/kv";
import { expect, test } from "vitest";
import { Mapping } from "./mapping.ts";

const entry = (commitNumber: number) => ({ pointer: 1n, commitNumber, bytes: 64 });

test("the oldest entry makes room, and an entry that changes does not", () => {
  const mapping = new Mapping(2);
  mapping.set("a" as Key, entry(1));
  mapping.set("b" as Key, entry(1));
  mapping.set("a" as Key, entry(2));
  expect(mapping.size).toBe(2);
  expect(mapping.get("b" as Key)).toEqual(entry(1));
  mapping.set("c" as Key, entry(1));
  expect(mapping.size).toBe(2);
  expect(mapping.get("a" as Key)).toBeUndefined();
  expect([mapping.get("b" as Key), mapping.get("c" as Key)]).toEqual([entry(1), entry(1)]);
  mapping.delete("b" as Key);
  expect(mapping.size).toBe(1);
});
