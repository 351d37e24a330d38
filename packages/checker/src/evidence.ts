// What the operations that are kept prove about which changes came too early to be what a later one
// saw. All that counts for a step is the evidence that ended before it started, so a prefix maximum
// answers it.

import type { Step } from "./step.ts";

/** A change that ended before `start`, or belongs to a version below `version`, was long gone. */
export interface Bound {
  readonly start: number;
  readonly version: number;
}

/** The version a change belongs to: the one it wrote or removed; 0 when that is not known. */
export function versionOfChange(step: Step): number {
  if (step.effect === "write") return step.version;
  return step.needs === "version" ? step.needsVersion : 0;
}

/** Steps that prove something from their end on. */
export class Evidence {
  readonly #ends: number[] = [];
  readonly #bounds: Bound[] = [];

  constructor(steps: readonly Step[]) {
    let [start, version] = [Number.NEGATIVE_INFINITY, 0];
    for (const step of [...steps].sort((a, b) => a.end - b.end)) {
      start = Math.max(start, step.start);
      const known = step.effect === "none" ? step.needsVersion : versionOfChange(step);
      version = Math.max(version, known);
      this.#ends.push(step.end);
      this.#bounds.push({ start, version });
    }
  }

  /** What is proved for a step that starts then. */
  before(start: number): Bound {
    let [from, to] = [0, this.#ends.length];
    while (from < to) {
      const middle = (from + to) >>> 1;
      if ((this.#ends[middle] ?? start) < start) from = middle + 1;
      else to = middle;
    }
    return this.#bounds[from - 1] ?? { start: Number.NEGATIVE_INFINITY, version: 0 };
  }
}

/** Whether a step changed the register for certain: no earlier change is seen behind it. */
export function isChange(step: Step): boolean {
  return !step.optional && step.effect !== "none";
}

/** Whether a step proves that the key was there: no earlier delete is seen behind it. */
export function isPresence(step: Step): boolean {
  if (step.optional) return false;
  return isChange(step) || step.needs === "value" || step.needs === "version";
}
