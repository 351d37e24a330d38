// Which operations may have made the state that an operation saw. A part of a history that holds,
// with every operation, all that may have made what it saw is closed; a counterexample must be.
//
// Why: take an order that explains the whole history, and leave out what is not in the part. The
// last change before each operation of the part is in the part, so it still sees the same state:
// the order explains the part. So if nothing explains a closed part, nothing explains the whole.
// Without this, any read would be a "contradiction" once its write is dropped.
//
// What is certainly too early to have been seen is no maker, but only as far as operations of the
// part itself prove it: a reader of the part must be able to follow.

import { present } from "@pdpm/base";
import { Evidence, isChange, isPresence, versionOfChange } from "./evidence.ts";
import type { Step } from "./step.ts";

/** What a part proves: what hides earlier writes, and what hides earlier deletes. */
interface Proof {
  readonly writes: Evidence;
  readonly deletes: Evidence;
}

function add<K>(map: Map<K, number[]>, key: K, index: number): void {
  const list = map.get(key);
  if (list) list.push(index);
  else map.set(key, [index]);
}

/** The makers within one history of one key. A part is a set of indices into its steps. */
export class Makers {
  readonly #steps: readonly Step[];
  readonly #byVersion = new Map<number, number[]>();
  readonly #byValue = new Map<string, number[]>();
  readonly #optionalWrites: number[] = [];
  readonly #writes: number[] = [];
  readonly #deletes: number[] = [];
  #work = 0;

  constructor(steps: readonly Step[]) {
    this.#steps = steps;
    for (const [index, { effect, optional, value, version }] of steps.entries()) {
      if (effect === "delete") this.#deletes.push(index);
      if (effect !== "write") continue;
      this.#writes.push(index);
      if (version !== 0) add(this.#byVersion, version, index);
      if (value !== null) add(this.#byValue, value, index);
      if (optional || version === 0) this.#optionalWrites.push(index);
    }
  }

  /** How many steps were looked at so far. */
  get work(): number {
    return this.#work;
  }

  /** The smallest closed part around `part`, or nearly; null if it has more than `countMax`. */
  closeUp(part: Iterable<number>, countMax: number): Set<number> | null {
    const kept = new Set(part);
    for (;;) {
      const before = kept.size;
      // What is named first: it may prove that much of the rest came too early.
      for (const index of kept) for (const maker of this.#named(index)) kept.add(maker);
      if (kept.size === before) {
        const proof = this.#proof(kept);
        for (const index of [...kept]) {
          for (const maker of this.#unnamed(index, proof)) kept.add(maker);
          if (kept.size > countMax) return null;
        }
      }
      if (kept.size > countMax) return null;
      if (kept.size === before) return kept;
    }
  }

  /** The largest closed part within `part`: drops what lacks a maker, until nothing does. */
  closeDown(part: Iterable<number>): Set<number> {
    const kept = new Set(part);
    for (;;) {
      const before = kept.size;
      const proof = this.#proof(kept);
      for (const index of kept) {
        const has = (maker: number): boolean => kept.has(maker);
        const whole = this.#named(index).every(has) && this.#unnamed(index, proof).every(has);
        if (!whole) kept.delete(index);
      }
      if (kept.size === before) return kept;
    }
  }

  #proof(part: Iterable<number>): Proof {
    const steps = Array.from(part, (index) => this.#step(index));
    this.#work += steps.length;
    return {
      writes: new Evidence(steps.filter(isChange)),
      deletes: new Evidence(steps.filter(isPresence)),
    };
  }

  /** The writes of the value or the version that a step names. */
  #named(index: number): readonly number[] {
    const { needs, needsVersion, needsValue } = this.#step(index);
    const versioned = this.#byVersion.get(needsVersion) ?? [];
    if (needs === "value") {
      const valued = this.#byValue.get(needsValue ?? "") ?? [];
      const exact = valued.filter((writer) => {
        const { version } = this.#step(writer);
        return version === 0 || needsVersion === 0 || version === needsVersion;
      });
      if (exact.length > 0) return exact;
      return versioned.length > 0 ? versioned : valued;
    }
    if (needs !== "version" && needs !== "version-or-missing") return [];
    return versioned.length > 0 ? versioned : this.#optionalWrites;
  }

  /** The changes that may have made what a step saw without naming it. */
  #unnamed(index: number, proof: Proof): number[] {
    const step = this.#step(index);
    const makers: number[] = [];
    const { needs } = step;
    const pick = (changes: readonly number[], evidence: Evidence): void => {
      const bound = evidence.before(step.start);
      this.#work += changes.length;
      for (const change of changes) {
        const { start, end } = this.#step(change);
        const version = versionOfChange(this.#step(change));
        if (change === index || start > step.end || end < bound.start) continue;
        if (version === 0 || version >= bound.version) makers.push(change);
      }
    };
    if (needs === "missing" || needs === "version-or-missing" || needs === "another-version") {
      pick(this.#deletes, proof.deletes);
    }
    if (needs === "present" || needs === "another-version") pick(this.#writes, proof.writes);
    return makers;
  }

  #step(index: number): Step {
    return present(this.#steps[index], "a step of the history");
  }
}
