// An update tries again while others win, with a bound on everything, and hides no failure.

import { PdpmError, Prng, systemClock } from "@pdpm/base";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Backend, Found } from "./backend.ts";
import { Deadline } from "./deadline.ts";
import { toKey } from "./key.ts";
import { Updates, updateTriesMost } from "./updates.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const key = toKey("k");
const conflict = new PdpmError("PDPM_CONFLICT", "version 1 was expected");
const busy = new PdpmError("PDPM_BUSY", "process 7 holds the lock");

function bench() {
  let present: Found | undefined;
  const get = vi.fn<Backend["get"]>(() => present);
  const put = vi.fn<Backend["put"]>((_, value, ifVersion) => {
    present = { value, version: (ifVersion ?? 0) + 1 };
    return present.version;
  });
  const updates = new Updates({ get, put } as unknown as Backend, systemClock, new Prng(1));
  return { get, put, updates };
}

function within(timeoutMs: number, signal?: AbortSignal): Deadline {
  return new Deadline(systemClock, { timeoutMs, signal });
}

function throwing(error: Error): () => never {
  return () => {
    throw error;
  };
}

const appended = (found: Found | undefined): Uint8Array =>
  Buffer.concat([found?.value ?? new Uint8Array(0), Buffer.from(".")]);

/** How an update ended: its version, or code, outcome and text. */
function endOf(work: Promise<{ version: number | undefined }>): Promise<string> {
  return work.then(
    ({ version }) => `version ${version}`,
    (error: PdpmError) => `${error.code} ${error.outcome} ${error.text}`,
  );
}

test("undisturbed, it costs one get and one put on the version that it read", async () => {
  const { get, put, updates } = bench();
  expect(await endOf(updates.run(key, within(100), appended))).toBe("version 1");
  expect(await endOf(updates.run(key, within(100), appended))).toBe("version 2");
  expect(get).toHaveBeenCalledTimes(2);
  expect(put.mock.calls.map(([, , ifVersion]) => ifVersion)).toEqual([0, 1]);
});

test("a change to nothing writes nothing", async () => {
  const { put, updates } = bench();
  expect(await updates.run(key, within(100), () => undefined)).toEqual({
    found: undefined,
    version: undefined,
  });
  expect(put).not.toHaveBeenCalled();
});

test("a lost race reads again, after a pause that grows and stays bounded", async () => {
  const { get, put, updates } = bench();
  for (let i = 0; i < 10; i += 1) put.mockImplementationOnce(throwing(conflict));
  const times: number[] = [];
  get.mockImplementation(() => void times.push(systemClock.now()));
  const end = endOf(updates.run(key, within(5000), appended));
  await vi.advanceTimersByTimeAsync(5000);
  expect(await end).toBe("version 1");
  expect(times.length).toBe(11);
  const pauses = times.slice(1).map((time, i) => time - (times[i] as number));
  expect(pauses[0]).toBeLessThanOrEqual(1);
  expect(Math.max(...pauses)).toBeLessThanOrEqual(64);
  expect(pauses[9]).toBeGreaterThan(16);
});

test("tries have a bound, and the error says who was in the way", async () => {
  for (const error of [conflict, busy]) {
    const { put, updates } = bench();
    put.mockImplementation(throwing(error));
    const end = endOf(updates.run(key, within(Infinity), appended));
    await vi.advanceTimersByTimeAsync(updateTriesMost * 64);
    expect(await end).toMatch(`${error.code} not-applied`);
    expect(await end).toContain(error.text);
    expect(put).toHaveBeenCalledTimes(updateTriesMost);
  }
});

test("at the deadline a rival is named in place of the time", async () => {
  const { put, updates } = bench();
  put.mockImplementation(throwing(busy));
  const end = endOf(updates.run(key, within(100), appended));
  await vi.advanceTimersByTimeAsync(110);
  expect(await end).toMatch(/^PDPM_BUSY not-applied .*process 7/);
});

test("a put whose outcome is unknown is never tried again", async () => {
  for (const code of ["PDPM_BUSY", "PDPM_TIMEOUT", "PDPM_UNAVAILABLE"] as const) {
    const { put, updates } = bench();
    put.mockImplementation(throwing(new PdpmError(code, "lost", { outcome: "unknown" })));
    expect(await endOf(updates.run(key, within(100), appended))).toBe(`${code} unknown lost`);
    expect(put).toHaveBeenCalledTimes(1);
  }
});

test("other failures end it at once", async () => {
  const { get, put, updates } = bench();
  put.mockImplementation(throwing(new PdpmError("PDPM_NO_SPACE", "full")));
  expect(await endOf(updates.run(key, within(100), appended))).toBe(
    "PDPM_NO_SPACE not-applied full",
  );
  get.mockImplementation(throwing(new PdpmError("PDPM_CORRUPT", "torn")));
  expect(await endOf(updates.run(key, within(100), appended))).toBe(
    "PDPM_CORRUPT not-applied torn",
  );
  expect(put).toHaveBeenCalledTimes(1);
});

test("an abort ends it in its pause", async () => {
  const { put, updates } = bench();
  put.mockImplementation(throwing(conflict));
  const controller = new AbortController();
  const end = endOf(updates.run(key, within(5000, controller.signal), appended));
  await vi.advanceTimersByTimeAsync(10);
  controller.abort();
  expect(await end).toMatch(/^PDPM_ABORTED not-applied/);
});

test("updates of one key run one after the other, in the order of the calls", async () => {
  const { get, put, updates } = bench();
  let running = 0;
  get.mockImplementation(async () => {
    running += 1;
    expect(running).toBe(1);
    await Promise.resolve();
    return undefined;
  });
  put.mockImplementation(async () => {
    await Promise.resolve();
    running -= 1;
    return 1;
  });
  const order: number[] = [];
  const calls = Array.from({ length: 50 }, (_, i) =>
    updates.run(key, within(1000), () => {
      order.push(i);
      return new Uint8Array(1);
    }),
  );
  await vi.advanceTimersByTimeAsync(1);
  await Promise.all(calls);
  expect(order).toEqual(Array.from({ length: 50 }, (_, i) => i));
});

test("a caller who leaves the queue lets nobody past the running one", async () => {
  const { get, updates } = bench();
  let letGo: (found: undefined) => void = () => {};
  get.mockImplementationOnce(
    () =>
      new Promise((resolve) => {
        letGo = resolve;
      }),
  );
  const first = endOf(updates.run(key, within(1000), appended));
  const second = endOf(updates.run(key, within(20), appended));
  await vi.advanceTimersByTimeAsync(30);
  expect(await second).toMatch(/^PDPM_TIMEOUT not-applied/);
  const third = endOf(updates.run(key, within(1000), appended));
  await vi.advanceTimersByTimeAsync(30);
  expect(get).toHaveBeenCalledTimes(1);
  letGo(undefined);
  await vi.advanceTimersByTimeAsync(1);
  expect([await first, await third]).toEqual(["version 1", "version 2"]);
});

test("a failed update does not hold up the next one", async () => {
  const { updates } = bench();
  const first = endOf(updates.run(key, within(100), throwing(new PdpmError("PDPM_BUSY", "x"))));
  const second = endOf(updates.run(key, within(100), appended));
  expect([await first, await second]).toEqual(["PDPM_BUSY not-applied x", "version 1"]);
});
