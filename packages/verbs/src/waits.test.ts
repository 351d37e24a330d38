// A caller's wait ends with the work, at the deadline or when the signal fires, and leaves nothing.

import { type Clock, PdpmError, systemClock } from "@pdpm/base";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { throwIfAborted, Waits } from "./waits.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const never = new Promise<never>(() => {});
const asIs = (why: PdpmError): PdpmError => why;

function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    (value) => `resolved: ${value}`,
    (error: PdpmError) => error.code,
  );
}

test("without a deadline and a signal the work is its own wait", () => {
  const work = Promise.resolve(7);
  expect(new Waits(systemClock).until(work, {}, asIs)).toBe(work);
});

test("a wait ends as its work does", async () => {
  const waits = new Waits(systemClock);
  const limits = { timeoutMs: 100 };
  expect(await waits.until(Promise.resolve(7), limits, asIs)).toBe(7);
  const mine = new Error("mine");
  await expect(waits.until(Promise.reject(mine), limits, asIs)).rejects.toBe(mine);
});

test("a wait ends within 5 ms of its deadline, and not before", async () => {
  const ends: number[] = [];
  const waits = new Waits(systemClock);
  const start = systemClock.now();
  for (const timeoutMs of [1, 17, 100, 300]) {
    waits.until(never, { timeoutMs }, asIs).catch((error: PdpmError) => {
      expect(error.code).toBe("PDPM_TIMEOUT");
      ends.push(systemClock.now() - start - timeoutMs);
    });
  }
  await vi.advanceTimersByTimeAsync(400);
  expect(ends.length).toBe(4);
  for (const late of ends) {
    expect(late).toBeGreaterThanOrEqual(0);
    expect(late).toBeLessThanOrEqual(5);
  }
});

test("who leaves says once what the caller is told; later news is dropped", async () => {
  const waits = new Waits(systemClock);
  let fail: (error: Error) => void = () => {};
  const work = new Promise<never>((_, reject) => {
    fail = reject;
  });
  const leave = vi.fn((why: PdpmError) => why.withOutcome("unknown"));
  const controller = new AbortController();
  const wait = waits.until(work, { timeoutMs: 10, signal: controller.signal }, leave);
  const end = wait.catch((error: PdpmError) => [error.code, error.outcome]);
  await vi.advanceTimersByTimeAsync(20);
  expect(await end).toEqual(["PDPM_TIMEOUT", "unknown"]);
  controller.abort();
  fail(new Error("nobody hears this, and it is no unhandled rejection"));
  await vi.advanceTimersByTimeAsync(20);
  expect(leave).toHaveBeenCalledTimes(1);
});

test("a signal that fires ends the wait at once, with its reason as the cause", async () => {
  const waits = new Waits(systemClock);
  const controller = new AbortController();
  const wait = waits.until(never, { timeoutMs: 1000, signal: controller.signal }, asIs);
  const end = wait.catch((error: PdpmError) => error);
  const mine = new Error("mine");
  controller.abort(mine);
  const error = (await end) as PdpmError;
  expect([error.code, error.outcome, error.cause]).toEqual(["PDPM_ABORTED", "not-applied", mine]);
});

test("a wait that ended listens to its signal no more", async () => {
  const waits = new Waits(systemClock);
  const { signal } = new AbortController();
  const added = vi.spyOn(signal, "addEventListener");
  const removed = vi.spyOn(signal, "removeEventListener");
  await waits.until(Promise.resolve(7), { signal }, asIs);
  await codeOf(waits.until(Promise.reject(new PdpmError("PDPM_BUSY", "x")), { signal }, asIs));
  const late = codeOf(waits.until(never, { timeoutMs: 5, signal }, asIs));
  await vi.advanceTimersByTimeAsync(20);
  expect(await late).toBe("PDPM_TIMEOUT");
  expect(removed.mock.calls.length).toBe(added.mock.calls.length);
});

test("all waits share one timer, and none is left when nobody waits", async () => {
  let timers = 0;
  const clock: Clock = {
    now: () => systemClock.now(),
    after(ms, then) {
      timers += 1;
      return systemClock.after(ms, then);
    },
  };
  const waits = new Waits(clock);
  for (let i = 0; i < 100; i += 1) void codeOf(waits.until(never, { timeoutMs: 10 }, asIs));
  expect(timers).toBe(1);
  await vi.advanceTimersByTimeAsync(50);
  expect(vi.getTimerCount()).toBe(0);
  void codeOf(waits.until(never, { timeoutMs: 10 }, asIs));
  expect(vi.getTimerCount()).toBe(1);
});

test("an infinite deadline never comes", async () => {
  const waits = new Waits(systemClock);
  const late = new Promise<string>(
    (resolve) => void systemClock.after(60_000, () => resolve("late")),
  );
  const wait = waits.until(late, { timeoutMs: Infinity }, asIs);
  await vi.advanceTimersByTimeAsync(60_001);
  expect(await wait).toBe("late");
});

test("a signal that fired before is thrown before anything starts", () => {
  expect(() => throwIfAborted(undefined)).not.toThrow();
  expect(() => throwIfAborted(new AbortController().signal)).not.toThrow();
  expect(() => throwIfAborted(AbortSignal.abort("mine"))).toThrow("PDPM_ABORTED");
});
