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
  expect(namesOf(queue.takeSuperseded("many"))).toEqual(["cold", "cool"]);
  expect(queue.isEmpty).toBe(true);
});

test("however the versions spread over the keys, reports of many end", () => {
  const queue = new RetireQueue(2 ** 30);
  for (let i = 0; i < 2000; i += 1) supersede(queue, `key ${i}`, 1 + (i % 7) * (i % 3));
  const { lag } = queue;
  let freed = 0;
  for (let reports = 0; !queue.isEmpty; reports += 1) {
    expect(reports).toBeLessThan(40);
    const taken = queue.takeSuperseded("many");
    expect(taken.length).toBeGreaterThan(0);
    expect(taken.length).toBeLessThanOrEqual(reportKeysMost);
    for (const entry of taken) freed += entry.freed.length;
  }
  expect(freed).toBe(lag);
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
