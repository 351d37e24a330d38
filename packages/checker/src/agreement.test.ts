// The deciders against a brute force that tries every order, on a few histories of each shape
// (agreement.long.test.ts has the many), and against each other on longer ones.
import { Prng } from "@pdpm/base";
import { expect, test } from "vitest";
import { checkBySearch } from "./search.ts";
import { compareMany, rounds, stepsOf } from "./testing/agreement.ts";
import { Maker, mutateSome } from "./testing/random-history.ts";
import { checkByVersionOrder } from "./version-order.ts";

const shapes = [
  { versions: "all", valueCount: 0, unknown: 0.25 },
  { versions: "all", valueCount: 2, unknown: 0.5 },
  { versions: "some", valueCount: 0, unknown: 0.3 },
  { versions: "none", valueCount: 2, unknown: 0.3 },
] as const;

test.each(shapes)("small histories are decided as by brute force: %o", (shape) => {
  const tally = compareMany("short", 75, shape);
  expect(tally.good).toBeGreaterThan(40);
  expect(tally.bad).toBeGreaterThan(10);
});

test("on longer histories the search agrees with the version order and gets to an end", () => {
  const prng = new Prng(`${process.env["PDPM_SEED"] ?? ""}longer`);
  const found = { linearizable: 0, violation: 0, undecided: 0 };
  for (let i = 0; i < 100 * rounds; i += 1) {
    const [unknown, saysFound] = [0.02 * prng.below(6), prng.chance(0.7) ? 1 : 0.5];
    const shape = { versions: "all", valueCount: 0, unknown, found: saysFound } as const;
    const operations = new Maker(prng, { ...shape, operationCount: 20 + prng.below(100) }).make();
    const edited = prng.chance(0.5);
    if (edited) mutateSome(prng, operations);
    const steps = stepsOf(operations, true);
    const fast = checkByVersionOrder(steps).kind;
    found[fast] += 1;
    const searched = checkBySearch(steps, 100_000).kind;
    expect(searched).not.toBe("undecided");
    if (!edited) expect(searched).toBe("linearizable");
    if (fast === "undecided" || searched === fast) continue;
    expect.fail(`${searched} not ${fast} ${JSON.stringify(operations)}`);
  }
  expect(found.linearizable).toBeGreaterThan(15);
  expect(found.violation).toBeGreaterThan(15);
  expect(found.undecided).toBeGreaterThan(5);
});
