// How operations are kept in flight: never more than asked for, never starving the event loop, and
// ending at the first limit that is reached.

import { systemClock } from "@pdpm/base";
import { expect, test } from "vitest";
import { type Drive, drive } from "./drive.ts";

function counting(task: Partial<Drive<number>>) {
  const seen = { performed: [] as number[], most: 0, intended: [] as (number | undefined)[] };
  let next = 0;
  let running = 0;
  const all: Drive<number> = {
    clock: systemClock,
    signal: new AbortController().signal,
    inFlight: 4,
    next: () => next++,
    perform: async (nth, intendedMs) => {
      running += 1;
      seen.most = Math.max(seen.most, running);
      seen.performed.push(nth);
      seen.intended.push(intendedMs);
      await null;
      running -= 1;
      return true;
    },
    ...task,
  };
  return { seen, all };
}

test("as many as were asked for are performed, in order, at most so many at once", async () => {
  const { seen, all } = counting({ operationsMost: 100 });
  await drive(all);
  expect(seen.performed).toEqual(Array.from({ length: 100 }, (_, nth) => nth));
  expect(seen.most).toBe(4);
});

test("a source that ends ends it", async () => {
  const left = [1, 2, 3];
  const { seen, all } = counting({ next: () => left.shift() });
  await drive(all);
  expect(seen.performed).toEqual([1, 2, 3]);
});

test("operations that never wait leave the event loop its turns, and an abort ends them", async () => {
  const stop = new AbortController();
  const { seen, all } = counting({ signal: stop.signal });
  let turns = 0;
  const timer = setInterval(() => {
    turns += 1;
    if (turns === 3) stop.abort();
  }, 1);
  // Without turns this would never end.
  await drive(all);
  clearInterval(timer);
  // A turn may come before the abort is seen.
  expect(turns).toBeGreaterThanOrEqual(3);
  expect(turns).toBeLessThan(10);
  expect(seen.performed.length).toBeGreaterThan(0);
});

test("no operation begins when time is up", async () => {
  const { seen, all } = counting({ forMs: 0 });
  await drive(all);
  expect(seen.performed).toEqual([]);
});

test("while the records are loaded the first failure is the last operation", async () => {
  const { seen, all } = counting({ stopsAtFailure: true, inFlight: 1 });
  const perform = async (nth: number): Promise<boolean> => {
    seen.performed.push(nth);
    return nth < 5;
  };
  await drive({ ...all, perform });
  expect(seen.performed).toHaveLength(6);
});

test("with a rate, operations have their own times, and not before they are due", async () => {
  const late: number[] = [];
  const { all } = counting({ rate: 500, forMs: 100 });
  const intended: number[] = [];
  await drive({
    ...all,
    perform: async (_, intendedMs = 0) => {
      intended.push(intendedMs);
      late.push(systemClock.now() - intendedMs);
      return true;
    },
  });
  expect(intended).toHaveLength(50);
  intended.sort((a, b) => a - b);
  const gaps = intended.slice(1).map((ms, at) => ms - (intended[at] ?? 0));
  for (const gap of gaps) expect(gap).toBeCloseTo(2, 3);
  expect(Math.min(...late)).toBeGreaterThanOrEqual(0);
});
