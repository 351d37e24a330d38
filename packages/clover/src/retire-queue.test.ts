// The queue of superseded versions: what is reported when, and in which order.

import { toKey } from "@pdpm/kv";
import { addressOf, type Pointer, pointerTo } from "@pdpm/layout";
import { expect, test } from "vitest";
import { RetireQueue, reportKeysMost, type Superseded } from "./retire-queue.ts";

/** The nth buffer. */
const buffer = (n: number): Pointer => pointerTo(addressOf(1, 64 * n), 1);

/** Supersedes `versions` versions of a key, each of `bytes` bytes. */
function supersede(queue: RetireQueue, name: string, versions: number, bytes = 64): void {
  for (let i = 0; i < versions; i += 1) {
    queue.superseded(toKey(name), buffer(i), buffer(i + 1), bytes);
  }
}

const namesOf = (taken: readonly Superseded[]): string[] => taken.map(({ key }) => key);

test("keys with many versions go first, and one move frees all of a key's", () => {
  const queue = new RetireQueue(2 ** 30);
  supersede(queue, "cold", 1);
  supersede(queue, "hot", 9);
  supersede(queue, "warm", 5);
  supersede(queue, "cool", 1);
  expect(queue.takeSuperseded("none")).toEqual([]);
  const taken = queue.takeSuperseded("many");
  expect(namesOf(taken)).toEqual(["hot", "warm"]);
  expect(taken[0]).toMatchObject({ next: buffer(9), hasGaps: false });
  expect(taken[0]?.freed).toEqual(Array.from({ length: 9 }, (_, i) => buffer(i)));
  expect(queue.lag).toBe(2);
  // What is left is little: it waits until this client rests.
  expect(queue.takeSuperseded("many")).toEqual([]);
  expect(namesOf(queue.takeSuperseded("any"))).toEqual(["cold", "cool"]);
  expect(queue.isEmpty).toBe(true);
});

test("a report of many brings the queue to rest, however the versions spread over the keys", () => {
  for (const versionsOf of [() => 1, (i: number) => 1 + (i % 7) * (i % 3)]) {
    const queue = new RetireQueue(2 ** 20);
    for (let i = 0; !queue.isFull; i += 1) supersede(queue, `key ${i}`, versionsOf(i));
    const before = queue.lag;
    const freed = queue.takeSuperseded("many").reduce((sum, entry) => sum + entry.freed.length, 0);
    expect(queue.isWorthMore).toBe(false);
    expect(freed + queue.lag).toBe(before);
    let left = queue.lag;
    while (!queue.isEmpty) {
      const taken = queue.takeSuperseded("any");
      expect(taken.length).toBeLessThanOrEqual(reportKeysMost);
      for (const entry of taken) left -= entry.freed.length;
    }
    expect([left, queue.lag]).toEqual([0, 0]);
  }
});

test("what a walk freed is not reported once more", () => {
  const full = (queue: RetireQueue): boolean => queue.isFull;
  const queue = new RetireQueue(2 ** 20);
  const bytes = 2 ** 20 / 8 / 9;
  supersede(queue, "key", 9, bytes);
  expect(full(queue)).toBe(true);
  queue.begins(toKey("key"), buffer(0));
  queue.begins(toKey("key"), buffer(99));
  queue.begins(toKey("other"), buffer(4));
  expect(full(queue)).toBe(true);
  queue.begins(toKey("key"), buffer(4));
  expect([queue.lag, full(queue)]).toEqual([5, false]);
  supersede(queue, "other", 3);
  queue.begins(toKey("other"), buffer(3));
  expect(queue.lag).toBe(5);
  const [taken] = queue.takeSuperseded("any");
  expect(taken).toMatchObject({ freed: [4, 5, 6, 7, 8].map(buffer), next: buffer(9) });
  expect([queue.lag, queue.isEmpty]).toEqual([0, true]);
  supersede(queue, "key", 9, bytes);
  expect(full(queue)).toBe(true);
});

test("a small store is waited for less: an eighth of it may be superseded at most", () => {
  const queue = new RetireQueue(2 ** 20);
  const bytes = 2 ** 20 / 8 / 16;
  supersede(queue, "key", 7, bytes);
  expect([queue.isDue, queue.isFull]).toEqual([false, false]);
  supersede(queue, "key", 1, bytes);
  expect([queue.isDue, queue.isFull]).toEqual([true, false]);
  supersede(queue, "key", 8, bytes);
  expect([queue.isDue, queue.isFull]).toEqual([true, true]);
});

test("a client that writes nothing rests, from the second look on", () => {
  const queue = new RetireQueue(2 ** 30);
  expect(queue.rests()).toBe(true);
  supersede(queue, "key", 1);
  expect(queue.rests()).toBe(false);
  expect(queue.rests()).toBe(true);
});
