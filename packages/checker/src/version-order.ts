// The fast decision for a key whose versions are known: O(n log n), no search.
//
// The changes of the register, in version order, are the transitions: each write, and behind it the
// delete that ended its epoch, if any. They need moments t1 <= t2 <= ... with, for every
// transition, low <= t <= high: within its own operation, after the last start of those that saw
// the state before it, before the first end of those that saw the state behind it. That is all the
// readers of values ask for, and moments exist if and only if no low lies above a later high.
//
// Readers that saw the key missing ask for a gap between two runs of versions. Take for each run
// the latest start, L (smallest high from its first write on), and the earliest end, E (largest low
// up to its delete). Runs can all be as short as that at the same time: within a run L <= E, or
// else the run can be one moment; between runs the earliest end lies below the next latest start,
// because every low lies below every later high. So a missing read fits if and only if no run has L
// < start and end < E.
//
// Unknown deletes are not placed here: where they could matter the answer is "undecided".

import { present } from "@pdpm/base";
import { type Epoch, type EpochOrder, orderByVersion, versionOf } from "./epochs.ts";
import type { Step } from "./step.ts";
import { linearizable, type Mistake, type Verdict, type Violation, violation } from "./verdict.ts";

interface Transition {
  /** The step itself is one of the two, or the bound comes from one that saw the state. */
  readonly low: Step;
  readonly high: Step;
  readonly kind: "first-write" | "overwrite" | "remove";
}

function laterStart(a: Step, b: Step | null): Step {
  return b !== null && b.start > a.start ? b : a;
}

function earlierEnd(a: Step, b: Step | null): Step {
  return b !== null && b.end < a.end ? b : a;
}

/** Whether a write may stand directly behind `before` (null: nothing was ever written). */
function checkPlace(
  epoch: Epoch,
  before: Epoch | null,
  known: ReadonlySet<number>,
): Verdict | null {
  const { writer, version } = epoch;
  const wanted = writer.needsVersion;
  // A version that is not known may have stood in between.
  if (writer.needs !== "version" || !known.has(wanted)) return null;
  if (before === null || before.version !== wanted) {
    const reason = `version ${version} replaced version ${wanted}, but not right behind it`;
    return violation("lost-update", reason, writer, before?.writer);
  }
  if (before.remover === null) return null;
  const reason = `version ${version} replaced version ${wanted}, which was deleted`;
  return violation("replaced-deleted-version", reason, before.remover, writer);
}

function checkPlaces(order: EpochOrder): Verdict | null {
  const known = new Set(order.epochs.map((epoch) => epoch.version));
  let before: Epoch | null = null;
  for (const epoch of order.epochs) {
    const misplaced = checkPlace(epoch, before, known);
    if (misplaced !== null) return misplaced;
    before = epoch;
  }
  return null;
}

function listTransitions(order: EpochOrder): Transition[] {
  const transitions: Transition[] = [];
  let before: Epoch | null = null;
  for (const epoch of order.epochs) {
    const follows: boolean = before !== null && before.remover === null;
    const { writer, remover, startMax, endMin } = epoch;
    transitions.push({
      low: laterStart(writer, follows ? (before?.startMax ?? null) : null),
      high: earlierEnd(writer, endMin),
      kind: follows ? "overwrite" : "first-write",
    });
    if (remover !== null) {
      transitions.push({ low: laterStart(remover, startMax), high: remover, kind: "remove" });
    }
    before = epoch;
  }
  return transitions;
}

/** Two that no order allows: `late` began after `early` ended, but belongs before it. */
function misorder(early: Step, late: Step): Violation {
  const [seen, old] = [versionOf(early), versionOf(late)];
  const found = (mistake: Mistake, reason: string) => violation(mistake, reason, early, late);
  if (seen === old && late.effect === "write") {
    return found("read-before-write", `version ${old} was seen before its write started`);
  }
  if (late.effect === "write") {
    const reason = `version ${old} was written after version ${seen} was there`;
    return found("version-goes-back", reason);
  }
  if (early.effect === "delete") {
    const deleted = seen === old ? "it" : `version ${seen}`;
    const reason = `a deleted value came back: version ${old} was seen after ${deleted} was deleted`;
    return found("deleted-value-returns", reason);
  }
  const { client } = late.operation;
  if (early.operation.client === client) {
    const reason = `client ${client} went back from version ${seen} to version ${old}`;
    return found("client-goes-back", reason);
  }
  return found("stale-read", `version ${old} was seen after version ${seen} was there`);
}

function checkWindows(transitions: readonly Transition[]): Verdict | null {
  let lowest = transitions[0]?.low;
  for (const { low, high } of transitions) {
    lowest = laterStart(low, lowest ?? null);
    if (high.end < lowest.start) return misorder(high, lowest);
  }
  return null;
}

/** A run of versions without a gap, as short as it can be; `end` is null while it has no end. */
interface Run {
  readonly start: Step;
  readonly end: Step | null;
}

function shortestRuns(transitions: readonly Transition[]): Run[] {
  const latest: Step[] = new Array(transitions.length);
  for (let i = transitions.length - 1; i >= 0; i -= 1) {
    const { high } = present(transitions[i], "a transition");
    latest[i] = earlierEnd(high, latest[i + 1] ?? null);
  }
  const runs: Run[] = [];
  let lowest: Step | null = null;
  let start: Step | null = null;
  for (const [i, { low, kind }] of transitions.entries()) {
    lowest = laterStart(low, lowest);
    if (kind === "first-write") start = present(latest[i], "a latest moment");
    if (kind === "remove") {
      runs.push({ start: present(start ?? undefined, "a run starts"), end: lowest });
      start = null;
    }
  }
  if (start !== null) runs.push({ start, end: null });
  return runs;
}

/** The run that covers all of a missing read's time, if any. Both ends of runs only grow. */
function coveringRun(runs: readonly Run[], missing: Step): Run | null {
  let [from, to] = [0, runs.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (present(runs[middle], "a run").start.end < missing.start) from = middle + 1;
    else to = middle;
  }
  const run = runs[from - 1];
  if (run === undefined) return null;
  return run.end === null || missing.end < run.end.start ? run : null;
}

/** Steps that found the key missing but have no gap to be in. */
function checkMissing(order: EpochOrder, transitions: readonly Transition[]): Violation | null {
  let before: Epoch | null = null;
  for (const epoch of order.epochs) {
    if (epoch.writer.needs === "missing" && before !== null && before.remover === null) {
      const [created, there] = [epoch.version, before.version];
      const reason = `version ${created} was created although version ${there} was there`;
      return violation("created-over-value", reason, before.writer, epoch.writer);
    }
    before = epoch;
  }
  const runs = order.missing.length === 0 ? [] : shortestRuns(transitions);
  for (const missing of order.missing) {
    const run = coveringRun(runs, missing);
    if (run === null) continue;
    const reason = `the key was missing although version ${versionOf(run.start)} was there`;
    return violation("missing-although-there", reason, run.start, missing, run.end);
  }
  return null;
}

/**
 * Decides a key by its versions. "linearizable" and "violation" are exact; "undecided" means that
 * versions alone do not settle it.
 */
export function checkByVersionOrder(steps: readonly Step[]): Verdict {
  const order = orderByVersion(steps);
  if ("kind" in order) return order;
  const misplaced = checkPlaces(order);
  if (misplaced !== null) return misplaced;
  const transitions = listTransitions(order);
  const impossible = checkWindows(transitions);
  if (impossible !== null) return impossible;
  if (order.open !== null) return { kind: "undecided", reason: order.open };
  const gapless = checkMissing(order, transitions);
  if (gapless === null) return linearizable;
  // An unknown delete may have made the gap; the search finds out whether one can have.
  return order.unknownDelete === null ? gapless : { kind: "undecided", reason: gapless.reason };
}
