// Superseded cells wait once each, by key, and not while their key is being deleted.

import type { Key } from "@pdpm/kv";
import { expect, test } from "vitest";
import { StaleQueue } from "./stale-queue.ts";

const [a, b] = ["a" as Key, "b" as Key];

test("a cell waits once, and not while it is in the cleaner's hands", () => {
  const queue = new StaleQueue();
  queue.add(a, [1n, 2n]);
  queue.add(a, [2n, 3n]);
  expect(queue.count).toBe(3);
  expect(queue.begin(10)).toEqual([{ key: a, pointers: [1n, 2n, 3n] }]);
  expect([queue.count, queue.isBusy, queue.isUnderWay(a)]).toEqual([0, true, true]);
  queue.add(a, [3n, 4n]);
  expect(queue.count).toBe(1);
  queue.end([{ key: a, pointers: [2n] }]);
  expect([queue.count, queue.isBusy, queue.isUnderWay(a)]).toEqual([2, false, false]);
  expect(queue.begin(10)).toEqual([{ key: a, pointers: [4n, 2n] }]);
});

test("a batch takes whole keys, up to about its size", () => {
  const queue = new StaleQueue();
  queue.add(a, [1n, 2n]);
  queue.add(b, [3n, 4n]);
  expect(queue.begin(3)).toEqual([{ key: a, pointers: [1n, 2n] }]);
  queue.end([]);
  expect(queue.begin(1)).toEqual([{ key: b, pointers: [3n, 4n] }]);
});

test("what belongs to a key that is being deleted stays, until it is dropped", () => {
  const queue = new StaleQueue();
  queue.add(a, [1n]);
  queue.add(b, [2n]);
  queue.freeze(a);
  expect(queue.begin(10)).toEqual([{ key: b, pointers: [2n] }]);
  queue.end([]);
  expect(queue.begin(10)).toEqual([]);
  expect(queue.isBusy).toBe(false);
  queue.drop(a);
  queue.unfreeze(a);
  expect(queue.count).toBe(0);
});
