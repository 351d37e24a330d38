// Counterexamples: what they contradict, the whole history contradicts, and nothing in them is too
// much. The brute force is the judge.
import { Prng } from "@pdpm/base";
import { expect, test } from "vitest";
import { checkKey } from "./linearizability.ts";
import { Makers } from "./makers.ts";
import type { Operation } from "./operation.ts";
import { toStep } from "./step.ts";
import { isLinearizable } from "./testing/brute-force.ts";
import { parseText } from "./testing/history-text.ts";
import { Maker, mutateSome, type Shape } from "./testing/random-history.ts";

const shapes: readonly Omit<Shape, "operationCount">[] = [
  { versions: "all", valueCount: 0, unknown: 0.3 },
  { versions: "all", valueCount: 2, unknown: 0.5 },
  { versions: "some", valueCount: 0, unknown: 0.3 },
  { versions: "none", valueCount: 2, unknown: 0.3 },
];

/** Operations that have a step, with the makers among them. */
function withMakers(operations: readonly Operation[], versioned: boolean) {
  const pairs = operations.flatMap((operation) => {
    const step = toStep(operation, versioned);
    return step === null ? [] : [{ operation, step }];
  });
  return { pairs, makers: new Makers(pairs.map(({ step }) => step)) };
}

test("whatever closed part is taken of a good history, it is good", () => {
  const prng = new Prng("closed parts");
  let partCount = 0;
  for (let i = 0; i < 120; i += 1) {
    const shape = shapes[i % shapes.length] as Omit<Shape, "operationCount">;
    const versioned = shape.versions !== "none";
    const operations = new Maker(prng, { ...shape, operationCount: 7 }).make();
    if (!isLinearizable(operations, versioned)) continue;
    const { pairs, makers } = withMakers(operations, versioned);
    for (let tries = 0; tries < 6; tries += 1) {
      const closed = makers.closeDown([...pairs.keys()].filter(() => prng.chance(0.6)));
      const part = pairs.filter((_, index) => closed.has(index)).map((pair) => pair.operation);
      if (part.length > 0 && part.length < pairs.length) partCount += 1;
      if (isLinearizable(part, versioned)) continue;
      expect.fail(JSON.stringify({ versioned, operations, part }, null, 1));
    }
  }
  expect(partCount).toBeGreaterThan(250);
});

/** The size of the smallest closed part that is bad, by brute force over all parts. */
function smallestBad(operations: readonly Operation[], versioned: boolean): number {
  const { pairs, makers } = withMakers(operations, versioned);
  let smallest = pairs.length;
  for (let set = 1; set < 2 ** pairs.length; set += 1) {
    const part = [...pairs.keys()].filter((index) => (set & (1 << index)) !== 0);
    if (part.length >= smallest || makers.closeDown(part).size < part.length) continue;
    const some = part.flatMap((index) => pairs[index]?.operation ?? []);
    if (!isLinearizable(some, versioned)) smallest = part.length;
  }
  return smallest;
}

test("of a small history no fewer operations show it", () => {
  const prng = new Prng("fewest");
  let badCount = 0;
  for (let i = 0; i < 120; i += 1) {
    const shape = shapes[i % shapes.length] as Omit<Shape, "operationCount">;
    const versioned = shape.versions !== "none";
    const operations = new Maker(prng, { ...shape, operationCount: 6 }).make();
    mutateSome(prng, operations);
    const verdict = checkKey(operations, versioned, 100_000);
    if (verdict.kind !== "violation") continue;
    badCount += 1;
    const note = JSON.stringify({ versioned, operations, verdict }, null, 1);
    expect(verdict.shrunk, note).toBe(true);
    expect(isLinearizable(verdict.operations, versioned), note).toBe(false);
    if (verdict.mistake === "condition-ignored") expect(verdict.operations).toHaveLength(1);
    else expect(verdict.operations.length, note).toBe(smallestBad(operations, versioned));
  }
  expect(badCount).toBeGreaterThan(30);
});

test("of a longer history a handful is left", () => {
  const prng = new Prng("longer");
  const sizes: number[] = [];
  for (let i = 0; i < 40; i += 1) {
    const shape = shapes[i % shapes.length] as Omit<Shape, "operationCount">;
    const versioned = shape.versions !== "none";
    const operations = new Maker(prng, { ...shape, operationCount: 60, unknown: 0.1 }).make();
    mutateSome(prng, operations);
    const verdict = checkKey(operations, versioned, 100_000);
    if (verdict.kind !== "violation") continue;
    expect(verdict.shrunk).toBe(true);
    expect(new Set(operations)).toEqual(new Set([...operations, ...verdict.operations]));
    if (verdict.operations.length <= 8) {
      expect(isLinearizable(verdict.operations, versioned)).toBe(false);
    }
    sizes.push(verdict.operations.length);
  }
  sizes.sort((a, b) => a - b);
  expect(sizes.length).toBeGreaterThan(10);
  expect(sizes[Math.floor(sizes.length / 2)]).toBeLessThanOrEqual(3);
});

function fewest(text: string): string {
  const operations = parseText(text);
  const versioned = operations.some(({ version }) => version !== null && version > 0);
  const verdict = checkKey(operations, versioned, 100_000);
  if (verdict.kind !== "violation") return verdict.kind;
  const at = verdict.operations.map((operation) => operations.indexOf(operation) + 1);
  return `${verdict.mistake}: ${at.join(" ")}`;
}

test("the write that a read saw stays, what has no part in it goes", () => {
  const stale = "1 0-9 put a 1; 1 10-19 put b 2; 1 20-29 put c 3; 2 30-39 get c 3; 3 40-49 get a 1";
  expect(fewest(stale)).toBe("stale-read: 1 2 5");
  const gone = "1 0-9 put a 1; 1 10-19 del 1; 1 20-29 put b 2; 2 30-39 get b 2; 2 40-49 get -";
  expect(fewest(gone)).toBe("missing-although-there: 3 5");
});

test("what may explain a missing key stays: an unknown delete, and one that is no proof", () => {
  const late = "1 0-9 put a 1; 2 10-19 get -; 3 20-? del";
  expect(fewest(late)).toBe("missing-although-there: 1 2");
  const twice = `1 0-9 put a 1; 2 1-? del; 3 10-19 get -; 1 20-29 put b 2; 3 30-39 get b 2;
    3 40-49 get -`;
  expect(fewest(twice)).toBe("missing-although-there: 1 2 3 4 6");
});
