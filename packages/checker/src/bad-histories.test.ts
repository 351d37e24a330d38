// A hundred and more bad histories made by hand, of all kinds of mistakes. Each is rejected for the
// right mistake, however its lines are ordered, and its good twin is accepted.
import { expect, test } from "vitest";
import { checkLinearizability } from "./linearizability.ts";
import { badHistories } from "./testing/bad-histories.ts";
import { parseText } from "./testing/history-text.ts";

test("there are at least a hundred, all different, of all mistakes", () => {
  const different = (of: (history: (typeof badHistories)[number]) => string) =>
    new Set(badHistories.map(of)).size;
  expect(badHistories.length).toBeGreaterThanOrEqual(100);
  expect(different(({ title }) => title)).toBe(badHistories.length);
  expect(different(({ bad }) => bad)).toBe(badHistories.length);
  expect(different(({ mistake }) => mistake)).toBe(19);
});

test.each(badHistories)("rejected: $title", ({ bad, mistake }) => {
  for (const operations of [parseText(bad), parseText(bad).reverse()]) {
    const result = checkLinearizability(operations);
    expect(result).toMatchObject({ ok: false, undecided: false, mistake, key: "k", shrunk: true });
    if (result.ok) continue;
    expect(result.operations.length).toBeGreaterThan(0);
    for (const operation of result.operations) expect(operations).toContain(operation);
  }
});

test.each(badHistories)("accepted: the good twin of $title", ({ good }) => {
  const operations = parseText(good);
  const result = checkLinearizability(operations);
  expect(result).toMatchObject({ ok: true, operations: operations.length });
  expect(operations.length).toBeGreaterThan(0);
});
