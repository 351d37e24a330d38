// The deciders against a brute force that tries every order: more than 20,000 different histories
// of up to seven operations, with unknown outcomes and conditional operations, good and bad ones,
// from fixed seeds. What a violation names must be bad by brute force, too.
import { expect, test } from "vitest";
import { compareMany, type Tally } from "./testing/agreement.ts";

const tallies: Tally[] = [];

/** Seed, count, shape, and the least number of bad ones; each history comes again, edited. */
const comparisons = [
  ["versions", 4000, { versions: "all", valueCount: 0, unknown: 0.25 }, 1000],
  ["many unknown outcomes", 3000, { versions: "all", valueCount: 0, unknown: 0.5 }, 500],
  ["values written twice", 2000, { versions: "all", valueCount: 2, unknown: 0.3 }, 500],
  ["some versions lost", 2000, { versions: "some", valueCount: 0, unknown: 0.3 }, 300],
  ["some lost, twins", 2000, { versions: "some", valueCount: 2, unknown: 0.3 }, 300],
  ["no versions", 2000, { versions: "none", valueCount: 0, unknown: 0.3 }, 300],
  ["no versions, twins", 2000, { versions: "none", valueCount: 2, unknown: 0.3 }, 300],
] as const;

test.each(comparisons)("as by brute force: %s", (seed, count, shape, badMin) => {
  const tally = compareMany(seed, count, shape);
  expect(tally.good).toBeGreaterThan(count / 2);
  expect(tally.bad).toBeGreaterThan(badMin);
  if (seed === "versions") expect(tally.settledByVersions).toBeGreaterThan(1.25 * count);
  tallies.push(tally);
});

test("these are more than 20,000 histories, with everything in them", () => {
  const sum = (of: (tally: Tally) => number) => tallies.reduce((all, one) => all + of(one), 0);
  expect(tallies).toHaveLength(comparisons.length);
  expect(sum((tally) => tally.histories.size)).toBeGreaterThan(20_000);
  expect(sum((tally) => tally.good)).toBeGreaterThan(10_000);
  expect(sum((tally) => tally.bad)).toBeGreaterThan(4000);
  expect(sum((tally) => tally.withUnknown)).toBeGreaterThan(10_000);
  expect(sum((tally) => tally.withConditions)).toBeGreaterThan(10_000);
});
