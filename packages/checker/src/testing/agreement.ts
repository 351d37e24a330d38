// Compares the deciders with the brute force, history by history.

import { Prng } from "@pdpm/base";
import { expect } from "vitest";
import { checkKey } from "../linearizability.ts";
import type { Operation } from "../operation.ts";
import { checkBySearch } from "../search.ts";
import { type Step, toStep } from "../step.ts";
import { checkByVersionOrder } from "../version-order.ts";
import { isLinearizable } from "./brute-force.ts";
import { Maker, mutateSome, type Shape } from "./random-history.ts";

/** What the deciders see of operations. */
export function stepsOf(operations: readonly Operation[], versioned: boolean): Step[] {
  return operations
    .map((operation) => toStep(operation, versioned))
    .filter((step): step is Step => step !== null);
}

/** How the histories of a comparison came out. */
export interface Tally {
  /** The different histories, as text. */
  readonly histories: Set<string>;
  withUnknown: number;
  withConditions: number;
  good: number;
  bad: number;
  settledByVersions: number;
}

function expectContradiction(operations: readonly Operation[], versioned: boolean): void {
  if (!isLinearizable(operations, versioned)) return;
  expect.fail(`shrunk to what is good: ${JSON.stringify(operations, null, 1)}`);
}

/** Self-contradicting answers are refused before the deciders see them; brute force just fails. */
function compare(operations: readonly Operation[], versioned: boolean, tally: Tally): void {
  const expected = isLinearizable(operations, versioned) ? "linearizable" : "violation";
  tally.histories.add(`${versioned} ${JSON.stringify(operations)}`);
  tally.withUnknown += operations.some(({ outcome }) => outcome === "unknown") ? 1 : 0;
  tally.withConditions += operations.some(({ ifVersion }) => ifVersion !== null) ? 1 : 0;
  tally[expected === "linearizable" ? "good" : "bad"] += 1;
  const note = () => JSON.stringify({ versioned, operations }, null, 1);
  const verdict = checkKey(operations, versioned, 100_000);
  if (verdict.kind !== expected) expect.fail(`whole: ${verdict.kind} not ${expected} ${note()}`);
  if (verdict.kind === "violation") expectContradiction(verdict.operations, versioned);
  const contradicts = operations.some(
    ({ op, outcome, ifVersion, version }) =>
      op === "delete" &&
      outcome === "ok" &&
      ifVersion !== null &&
      (version ?? ifVersion) !== ifVersion,
  );
  if (contradicts) return;
  const steps = stepsOf(operations, versioned);
  const searched = checkBySearch(steps, 100_000).kind;
  if (searched !== expected) expect.fail(`search: ${searched} not ${expected} ${note()}`);
  const fast = checkByVersionOrder(steps).kind;
  if (fast === "undecided") return;
  tally.settledByVersions += 1;
  if (fast !== expected) expect.fail(`versions: ${fast} not ${expected} ${note()}`);
}

/** PDPM_ROUNDS=50 makes it a long run: a million histories and more. */
export const rounds = Number(process.env["PDPM_ROUNDS"] ?? 1);

/** Compares `count` random histories of up to seven operations, and each again after edits. */
export function compareMany(
  seed: string,
  count: number,
  shape: Omit<Shape, "operationCount">,
): Tally {
  const prng = new Prng(`${process.env["PDPM_SEED"] ?? ""}${seed}`);
  const tally: Tally = {
    histories: new Set(),
    withUnknown: 0,
    withConditions: 0,
    good: 0,
    bad: 0,
    settledByVersions: 0,
  };
  for (let i = 0; i < count * rounds; i += 1) {
    const maker = new Maker(prng, {
      ...shape,
      operationCount: 1 + Math.max(prng.below(7), prng.below(7)),
    });
    const operations = maker.make();
    const versioned = shape.versions !== "none";
    const before = tally.good;
    // A delete that lost its version looks like one that found nothing: not good by construction.
    if (shape.versions !== "some") {
      compare(operations, versioned, tally);
      expect(tally.good, "good by construction").toBe(before + 1);
    }
    mutateSome(prng, operations);
    compare(operations, versioned, tally);
  }
  return tally;
}
