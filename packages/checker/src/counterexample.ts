// Makes of a key that no order explains the fewest operations that show it. Every part tried is
// closed (makers.ts), so what the few contradict, the whole history contradicts; every part kept
// was decided again and found wrong.
//
// With at most `exhaustiveMax` operations all parts are tried, the small ones first: nothing
// smaller exists. A longer history is first cut down, from the operations that its decider named
// or else from all, until no chunk and no single operation can go; then all parts of what is left
// are tried. The work is bounded; at the bound the part is what it is by then.

import { present } from "@pdpm/base";
import { Makers } from "./makers.ts";
import type { Operation } from "./operation.ts";
import type { Step } from "./step.ts";
import { type Mistake, type Verdict, type Violation, witnesses } from "./verdict.ts";

/** Up to here every part is tried: 1,024 of them. */
const exhaustiveMax = 10;

/** How many steps may be looked at in all: about a second. */
const workMax = 10_000_000;

/** A longer history is not cut down from all that it has. */
const cutMax = 20_000;

/** A part around the named operations that grows beyond this is given up. */
const closeUpMax = 2000;

/** Longer than this, nobody reads it. */
const shownMax = 64;

function countBits(bits: number): number {
  let count = 0;
  for (let left = bits; left !== 0; left &= left - 1) count += 1;
  return count;
}

class Shrinker {
  readonly #steps: readonly Step[];
  readonly #makers: Makers;
  readonly #decide: (steps: readonly Step[]) => Verdict;
  #decided = 0;

  constructor(steps: readonly Step[], decide: (steps: readonly Step[]) => Verdict) {
    this.#steps = steps;
    this.#makers = new Makers(steps);
    this.#decide = decide;
  }

  /** Indices of the fewest steps found. */
  run(named: readonly Operation[]): number[] {
    const all = this.#steps.map((_, index) => index);
    if (all.length <= exhaustiveMax) return this.#fewest(all);
    const from = this.#around(named) ?? (all.length <= cutMax ? all : []);
    const cut = this.#cut(from);
    return cut.length <= exhaustiveMax ? this.#fewest(cut) : cut;
  }

  #around(named: readonly Operation[]): number[] | null {
    const operations = new Set(named);
    const seeds = this.#steps.flatMap((step, i) => (operations.has(step.operation) ? [i] : []));
    const part = this.#makers.closeUp(seeds, closeUpMax);
    return part !== null && this.#isBad([...part]) ? [...part].sort((a, b) => a - b) : null;
  }

  /** Drops chunks, from half of it down to single steps, the late ones first. */
  #cut(from: readonly number[]): number[] {
    let part = [...from];
    let size = Math.ceil(part.length / 2);
    while (part.length > 0 && this.#mayWork()) {
      const before = part.length;
      for (let end = part.length; end > 0 && this.#mayWork(); end -= size) {
        const left = part.filter((_, at) => at < end - size || at >= end);
        const closed = this.#close(left);
        if (closed.length > 0 && this.#isBad(closed)) part = closed;
        end = Math.min(end, part.length + size);
      }
      if (size > 1) size = Math.ceil(Math.min(size, part.length) / 2);
      else if (part.length === before) break;
    }
    return part;
  }

  #fewest(part: readonly number[]): number[] {
    const sets = Array.from({ length: 2 ** part.length - 1 }, (_, i) => i + 1);
    sets.sort((a, b) => countBits(a) - countBits(b));
    for (const set of sets) {
      const some = part.filter((_, i) => (set & (1 << i)) !== 0);
      if (this.#close(some).length === some.length && this.#isBad(some)) return some;
    }
    return [...part];
  }

  #close(part: readonly number[]): number[] {
    return [...this.#makers.closeDown(part)].sort((a, b) => a - b);
  }

  #isBad(part: readonly number[]): boolean {
    this.#decided += part.length;
    return this.#decide(this.stepsOf(part)).kind === "violation";
  }

  #mayWork(): boolean {
    return this.#decided + this.#makers.work < workMax;
  }

  stepsOf(part: readonly number[]): Step[] {
    return part.map((index) => present(this.#steps[index], "a step of the history"));
  }
}

/** A name for what only the search found wrong, by what cannot be left out of it. */
function nameOf(steps: readonly Step[]): Mistake {
  const has = (...needs: Step["needs"][]): boolean =>
    steps.some((step) => !step.optional && needs.includes(step.needs));
  if (has("present", "another-version")) return "conflict-without-cause";
  const inserts = steps.some((step) => step.effect === "write" && step.needs === "missing");
  if (inserts) return "created-over-value";
  if (has("missing")) return "missing-although-there";
  const removed = steps.filter(({ effect, needs }) => effect === "delete" && needs === "version");
  const versions = removed.filter(({ optional }) => !optional).map((step) => step.needsVersion);
  if (new Set(versions).size < versions.length) return "deleted-twice";
  const isEarly = (read: Step): boolean =>
    read.needs === "value" &&
    steps.every(({ value, start }) => value !== read.needsValue || start > read.end);
  if (steps.some(isEarly)) return "read-before-write";
  return has("value") ? "stale-read" : "no-order";
}

/**
 * The fewest operations of a key that no order explains, with what is wrong with them.
 *
 * @param steps - All steps of the key, which `decide` found wrong.
 * @param found - What it found; comes back as it is if nothing short enough to read was found.
 */
export function shrinkViolation(
  steps: readonly Step[],
  found: Violation,
  decide: (steps: readonly Step[]) => Verdict,
): Violation {
  const sorted = [...steps].sort((a, b) => a.start - b.start);
  const shrinker = new Shrinker(sorted, decide);
  const fewest = shrinker.stepsOf(shrinker.run(found.operations));
  const verdict = decide(fewest);
  if (verdict.kind !== "violation" || fewest.length > shownMax) return found;
  const mistake = verdict.mistake === "no-order" ? nameOf(fewest) : verdict.mistake;
  return { ...verdict, mistake, operations: witnesses(fewest), shrunk: true };
}
