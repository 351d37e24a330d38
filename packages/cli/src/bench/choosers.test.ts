// Choosers draw what their distribution says, the same for the same seed.

import { Prng } from "@pdpm/base";
import { expect, test } from "vitest";
import { createChooser, type Distribution, type RecordChooser } from "./choosers.ts";

function count(chooser: RecordChooser, records: number, draws: number): number[] {
  const counts = new Array<number>(records).fill(0);
  for (let i = 0; i < draws; i += 1) {
    const index = chooser.next(records);
    counts[index] = (counts[index] ?? Number.NaN) + 1;
  }
  expect(counts.every((one) => one >= 0)).toBe(true);
  return counts;
}

test("uniform draws every record equally often", () => {
  const counts = count(createChooser(new Prng("u"), "uniform", 100, 0.99), 100, 100_000);
  const chiSquare = counts.reduce((sum, one) => sum + (one - 1000) ** 2 / 1000, 0);
  expect(chiSquare).toBeLessThan(150);
});

test("zipfian has a few popular records, spread over the range", () => {
  const counts = count(createChooser(new Prng("z"), "zipfian", 1000, 0.99), 1000, 200_000);
  const popular = [...counts.keys()].sort((a, b) => (counts[b] ?? 0) - (counts[a] ?? 0));
  const share = (top: number) =>
    popular.slice(0, top).reduce((sum, index) => sum + (counts[index] ?? 0), 0) / 200_000;
  expect(share(1)).toBeGreaterThan(0.12);
  expect(share(1)).toBeLessThan(0.16);
  expect(share(100)).toBeGreaterThan(0.6);
  // The ten most popular are neither at the front nor next to each other.
  const top = popular.slice(0, 10).sort((a, b) => a - b);
  expect(top.at(-1)).toBeGreaterThan(700);
  expect(top.filter((index) => index < 100).length).toBeLessThan(4);
});

test("latest prefers the newest record, also while records are added", () => {
  const chooser = createChooser(new Prng("l"), "latest", 1000, 0.99);
  const counts = count(chooser, 1000, 100_000);
  expect(counts[999]).toBe(Math.max(...counts));
  let newest = 0;
  for (let records = 1001; records <= 11_000; records += 1) {
    const index = chooser.next(records);
    expect(index).toBeLessThan(records);
    if (index === records - 1) newest += 1;
  }
  expect(newest / 10_000).toBeGreaterThan(0.08);
  expect(newest / 10_000).toBeLessThan(0.16);
});

test("adding records leaves the popular ones popular", () => {
  const draw = (records: number) => {
    const chooser = createChooser(new Prng("grow"), "zipfian", 1000, 0.99);
    for (let i = 1000; i < records; i += 1) chooser.next(i);
    return count(chooser, records, 50_000);
  };
  const before = draw(1000);
  const top = before.indexOf(Math.max(...before));
  for (const records of [1001, 1100, 1700, 1999]) {
    const after = draw(records);
    const stays = after.indexOf(Math.max(...after));
    expect([top, top + 1000]).toContain(stays);
  }
  expect(draw(5000).filter((one, index) => one > 0 && index >= 1000).length).toBeGreaterThan(1000);
});

test.each<Distribution>(["uniform", "zipfian", "latest"])(
  "%s is the same for the same seed",
  (name) => {
    const draw = (seed: string) => {
      const chooser = createChooser(new Prng(seed), name, 50, 0.9);
      return Array.from({ length: 500 }, (_, i) => chooser.next(50 + Math.floor(i / 10)));
    };
    expect(draw("same")).toEqual(draw("same"));
    expect(draw("same")).not.toEqual(draw("other"));
  },
);
