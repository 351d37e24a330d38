// Calls beyond the bound wait in line, and every one is answered.

import { expect, test } from "vitest";
import { bounded } from "./call-window.ts";

test("no more calls are under way than allowed, and they go in order", async () => {
  const begun: number[] = [];
  const ends: (() => void)[] = [];
  const handler = bounded((request) => {
    begun.push(request as number);
    return new Promise((resolve, reject) => {
      const isOdd = (request as number) % 2 === 1;
      ends.push(() => (isOdd ? reject(new Error(`${request}`)) : resolve(request)));
    });
  }, 2);
  const calls = [0, 1, 2, 3, 4].map((request) => Promise.resolve(handler(request)));
  const settled = Promise.allSettled(calls);
  expect(begun).toEqual([0, 1]);
  for (let i = 0; i < 5; i += 1) {
    ends[i]?.();
    for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
    expect(begun.length).toBe(Math.min(5, i + 3));
  }
  expect(begun).toEqual([0, 1, 2, 3, 4]);
  expect((await settled).map(({ status }) => status)).toEqual([
    "fulfilled",
    "rejected",
    "fulfilled",
    "rejected",
    "fulfilled",
  ]);
});

test("a handler that throws at once gives its place up, too", async () => {
  const handler = bounded(() => {
    throw new Error("mine");
  }, 1);
  await expect(handler(1)).rejects.toThrow("mine");
  await expect(handler(2)).rejects.toThrow("mine");
});
