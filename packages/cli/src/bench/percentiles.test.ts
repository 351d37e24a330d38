// Percentiles are within the histogram's precision, also after merging.

import { Prng } from "@pdpm/base";
import { expect, test } from "vitest";
import { Latencies } from "./percentiles.ts";

function record(...nanoseconds: readonly number[]): Latencies {
  const latencies = new Latencies();
  for (const one of nanoseconds) latencies.record(one);
  return latencies;
}

function near(found: number, expected: number): void {
  expect(found).toBeGreaterThanOrEqual(Math.floor(expected * 0.999));
  expect(found).toBeLessThanOrEqual(Math.ceil(expected * 1.001) + 1);
}

test("percentiles are those of the sorted latencies, to three digits", () => {
  const prng = new Prng("latencies");
  const all = Array.from({ length: 20_000 }, () => Math.round(500 * 10 ** (5 * prng.float() ** 3)));
  const summary = record(...all).summary();
  all.sort((a, b) => a - b);
  const at = (share: number) => all[Math.ceil(share * all.length) - 1] ?? Number.NaN;
  expect(summary.count).toBe(20_000);
  near(summary.p50Nanoseconds, at(0.5));
  near(summary.p90Nanoseconds, at(0.9));
  near(summary.p99Nanoseconds, at(0.99));
  near(summary.p999Nanoseconds, at(0.999));
  near(summary.maxNanoseconds, at(1));
  near(summary.meanNanoseconds, all.reduce((sum, one) => sum + one, 0) / all.length);
});

test("what two processes counted adds up to what one would have", () => {
  const [one, other] = [record(1, 40_000, 3), record(7, 50_000_000)];
  const merged = Latencies.decode(one.encode());
  merged.add(Latencies.decode(other.encode()));
  expect(merged.summary()).toEqual(record(1, 40_000, 3, 7, 50_000_000).summary());
  expect(merged.summary().count).toBe(5);
});

test("looking does not change the counts, and counting goes on afterwards", () => {
  const latencies = record(100, 200_000);
  expect(latencies.summary()).toEqual(latencies.summary());
  latencies.record(100);
  expect(latencies.summary()).toMatchObject({ count: 3, p50Nanoseconds: 100 });
  const other = new Latencies();
  other.add(latencies);
  other.add(latencies);
  expect([latencies.summary().count, other.summary().count]).toEqual([3, 6]);
});

test("nothing recorded is all zeros, not NaN", () => {
  for (const empty of [new Latencies(), Latencies.decode(new Latencies().encode())]) {
    expect(new Set(Object.values(empty.summary()))).toEqual(new Set([0]));
  }
});

test("a latency of zero counts, one over an hour counts as an hour, fractions are rounded", () => {
  expect(record(0).summary()).toMatchObject({ count: 1, maxNanoseconds: 0 });
  near(record(1e15).summary().maxNanoseconds, 3.6e12);
  expect(record(99.6).summary().maxNanoseconds).toBe(100);
});

test("a latency that is negative or no number is our bug", () => {
  expect(() => record(-1)).toThrow(/not negative/);
  expect(() => record(Number.NaN)).toThrow(/NaN/);
});
