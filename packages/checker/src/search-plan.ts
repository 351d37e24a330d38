// What the search can know about a key before it starts, so that it has little left to guess:
//
// - A value that only one operation wrote, and that was read, was written: if that write has an
//   unknown outcome it becomes a certain one, with an end (its first reader's) and the version that
//   was read.
// - Steps of unknown outcome that can be exchanged for one another form a class; only how many of
//   it were used matters, and taking the one that started first is never worse.
// - A write of unknown outcome that nobody could have noticed is left out.
// - A step that needs what one certain write made ties that write: it must not be overwritten
//   before.

import type { Step } from "./step.ts";
import { type Verdict, violation } from "./verdict.ts";

/** Steps of unknown outcome that can stand for one another, by start. */
export interface OptionalClass {
  /** All with the same needs and effect; indices into `SearchPlan.steps`. */
  readonly members: readonly number[];
}

/** The input of the search. */
export interface SearchPlan {
  /** The certain steps by start, then the optional ones. */
  readonly steps: readonly Step[];
  readonly certainCount: number;
  readonly classes: readonly OptionalClass[];
  /** For each certain step the index of the one write that it needs to be there, or -1. */
  readonly targets: Int32Array;
  /** For each such write, the step that needs it and started last. */
  readonly lastNeeds: ReadonlyMap<number, number>;
  /** Versions of the certain writes that have one, ascending. */
  readonly versions: readonly number[];
}

function byStart(a: Step, b: Step): number {
  return a.start - b.start;
}

function readsByValue(steps: readonly Step[]): Map<string, Step[]> {
  const reads = new Map<string, Step[]>();
  for (const step of steps) {
    if (step.needsValue === null) continue;
    const list = reads.get(step.needsValue);
    if (list) list.push(step);
    else reads.set(step.needsValue, [step]);
  }
  return reads;
}

function countByValue(steps: readonly Step[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { value } of steps) {
    if (value !== null) counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  return counts;
}

/** Makes of an unknown write what its readers prove; one that nobody read loses its value. */
function settle(step: Step, reads: Step[] | undefined, unique: boolean): Step {
  if (step.effect !== "write" || !step.optional) return step;
  if (reads === undefined) return { ...step, value: "" };
  if (!unique) return step;
  let end = Number.POSITIVE_INFINITY;
  let version = 0;
  for (const read of reads) {
    end = Math.min(end, read.end);
    version = Math.max(version, read.needsVersion);
  }
  return { ...step, optional: false, end, version };
}

/** Whether a step may tell a write of unknown outcome by anything but its value. */
function mayNotice(step: Step, versions: ReadonlySet<number>): boolean {
  if (step.needs === "present" || step.needs === "another-version") return true;
  if (step.needs !== "version" && step.needs !== "version-or-missing") return false;
  return !versions.has(step.needsVersion);
}

function classify(steps: readonly Step[], certainCount: number): OptionalClass[] {
  const classes = new Map<string, number[]>();
  for (const [index, step] of steps.entries()) {
    if (index < certainCount) continue;
    const text = `${step.effect} ${step.needs} ${step.needsVersion} ${step.value}`;
    const members = classes.get(text);
    if (members) members.push(index);
    else classes.set(text, [index]);
  }
  return [...classes.values()].map((members) => ({ members }));
}

function findTargets(certain: readonly Step[], counts: Map<string, number>): Int32Array {
  const byVersion = new Map<number, number>();
  const byValue = new Map<string, number>();
  for (const [index, step] of certain.entries()) {
    if (step.version !== 0) byVersion.set(step.version, index);
    if (step.value !== null && counts.get(step.value) === 1) byValue.set(step.value, index);
  }
  return Int32Array.from(certain, (step) => {
    if (step.needs !== "value" && step.needs !== "version") return -1;
    const target = step.needsValue === null ? undefined : byValue.get(step.needsValue);
    return target ?? byVersion.get(step.needsVersion) ?? -1;
  });
}

function findTwins(certain: readonly Step[]): Verdict | null {
  const writers = new Map<number, Step>();
  for (const step of certain) {
    if (step.version === 0) continue;
    const twin = writers.get(step.version);
    if (twin)
      return violation("version-repeats", `two writes have version ${step.version}`, twin, step);
    writers.set(step.version, step);
  }
  return null;
}

/** Prepares the steps of one key for the search, or finds at once that nothing explains them. */
export function planSearch(all: readonly Step[]): SearchPlan | Verdict {
  const reads = readsByValue(all);
  const counts = countByValue(all);
  for (const [value, [read]] of reads) {
    if (!counts.has(value)) {
      return violation("value-never-written", `${value} was read, which no write made`, read);
    }
  }
  const settled = all.map((step) => {
    const value = step.value ?? "";
    return settle(step, reads.get(value), counts.get(value) === 1);
  });
  const certain = settled.filter((step) => !step.optional).sort(byStart);
  const twins = findTwins(certain);
  if (twins !== null) return twins;
  const versions = certain.filter((step) => step.version !== 0).map((step) => step.version);
  const known = new Set(versions);
  const noticed = settled.some((step) => mayNotice(step, known));
  const optional = settled.filter((step) => step.optional && (noticed || step.value !== ""));
  const targets = findTargets(certain, counts);
  const lastNeeds = new Map<number, number>();
  for (const [index, target] of targets.entries()) {
    if (target >= 0) lastNeeds.set(target, index);
  }
  const steps = [...certain, ...optional.sort(byStart)];
  return {
    steps,
    certainCount: certain.length,
    classes: classify(steps, certain.length),
    targets,
    lastNeeds,
    versions: versions.sort((a, b) => a - b),
  };
}
