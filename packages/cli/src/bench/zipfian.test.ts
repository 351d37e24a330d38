// Zipfian choices have the shape that theta says, also while the range grows.

import { Prng } from "@pdpm/base";
import { expect, test } from "vitest";
import { Zipfian } from "./zipfian.ts";

function zeta(count: number, theta: number): number {
  let sum = 0;
  for (let k = 1; k <= count; k += 1) sum += k ** -theta;
  return sum;
}

function countRanks(zipfian: Zipfian, draws: number): number[] {
  const counts = new Array<number>(zipfian.count).fill(0);
  for (let i = 0; i < draws; i += 1) {
    const rank = zipfian.next();
    counts[rank] = (counts[rank] ?? Number.NaN) + 1;
  }
  return counts;
}

/** The chances of Gray's method itself: exact for two ranks, an integral for the others. */
function grayChances(count: number, theta: number): number[] {
  const total = zeta(count, theta);
  const eta = (1 - (2 / count) ** (1 - theta)) / (1 - (1 + 0.5 ** theta) / total);
  /** The drawn number from which on ranks are at least `rank`. */
  const from = (rank: number) => {
    if (rank === 0) return 0;
    if (rank === 1) return 1 / total;
    const inverse = 1 - (1 - (rank / count) ** (1 - theta)) / eta;
    return rank === 2 ? Math.max(inverse, (1 + 0.5 ** theta) / total) : inverse;
  };
  return Array.from({ length: count }, (_, rank) => {
    const [low, high] = [from(rank), rank + 1 === count ? 1 : from(rank + 1)];
    return Math.max(0, high - Math.max(low, rank >= 2 ? from(2) : 0));
  });
}

test.each([0, 0.5, 0.9, 0.99])("with theta %f the counts are those of Gray's method", (theta) => {
  const [count, draws] = [100, 400_000];
  const counts = countRanks(new Zipfian(new Prng("shape"), count, theta), draws);
  const chances = grayChances(count, theta);
  let chiSquare = 0;
  for (const [rank, chance] of chances.entries()) {
    const expected = draws * chance;
    if (expected > 0) chiSquare += ((counts[rank] ?? 0) - expected) ** 2 / expected;
  }
  // 99 degrees of freedom: above 150 is one chance in a thousand, and the seed is fixed.
  expect(chiSquare).toBeLessThan(150);
});

test("with theta 0.99 the popular ranks are as popular as Zipf's law says", () => {
  const [count, draws, theta] = [10_000, 500_000, 0.99];
  const counts = countRanks(new Zipfian(new Prng("law"), count, theta), draws);
  const total = zeta(count, theta);
  const share = (to: number) => counts.slice(0, to).reduce((sum, one) => sum + one, 0) / draws;
  for (const to of [1, 2, 10, 100, 1000, 5000]) {
    // The approximation is known to be a few percent off between the third and the hundredth rank.
    expect(Math.abs((share(to) * total) / zeta(to, theta) - 1)).toBeLessThan(0.06);
  }
  expect(share(10_000)).toBe(1);
});

test("one, two and three ranks work", () => {
  for (const theta of [0, 0.5, 0.99]) {
    expect(countRanks(new Zipfian(new Prng(1), 1, theta), 1000)).toEqual([1000]);
    const [first = 0, second = 0] = countRanks(new Zipfian(new Prng(1), 2, theta), 10_000);
    expect(first / second).toBeCloseTo(2 ** theta, 0);
    const three = countRanks(new Zipfian(new Prng(1), 3, theta), 10_000);
    expect(Math.min(...three)).toBeGreaterThan(1000);
  }
});

test("grown step by step, at once or at creation, the ranks are the same", () => {
  const stepwise = new Zipfian(new Prng("grow"), 1, 0.99);
  for (let count = 2; count <= 5000; count += 1) stepwise.grow(count);
  const atOnce = new Zipfian(new Prng("grow"), 900, 0.99);
  atOnce.grow(5000);
  const created = new Zipfian(new Prng("grow"), 5000, 0.99);
  const draw = (zipfian: Zipfian) => Array.from({ length: 10_000 }, () => zipfian.next());
  const ranks = draw(created);
  expect(draw(atOnce)).toEqual(ranks);
  expect(draw(stepwise)).toEqual(ranks);
});

test("ten thousand million ranks are ready at once, and none is out of range", () => {
  const count = 10_000_000_000;
  const zipfian = new Zipfian(new Prng("large"), count, 0.99);
  const draws = 200_000;
  let [first, outside] = [0, 0];
  for (let i = 0; i < draws; i += 1) {
    const rank = zipfian.next();
    if (!Number.isInteger(rank) || rank < 0 || rank >= count) outside += 1;
    if (rank === 0) first += 1;
  }
  expect(outside).toBe(0);
  // The sum that YCSB's ScrambledZipfianGenerator has as its constant.
  expect(first / draws).toBeCloseTo(1 / 26.46902820178302, 2.5);
});

test("a skew of 1 and an empty range are refused", () => {
  expect(() => new Zipfian(new Prng(1), 10, 1)).toThrow(/theta 1/);
  expect(() => new Zipfian(new Prng(1), 10, Number.NaN)).toThrow(/theta NaN/);
  expect(() => new Zipfian(new Prng(1), 0, 0.5)).toThrow(/count 0/);
  expect(() => new Zipfian(new Prng(1), 10, 0.5).grow(9)).toThrow(/never shrinks/);
});
