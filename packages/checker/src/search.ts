// The general decision for a key: a search for an order (Wing and Gong, with Lowe's memoization of
// the configurations already tried). It decides what version-order.ts leaves open: histories
// without versions, values written twice, unknown deletes that must be placed, conflicts that do
// not say what they found.
//
// A configuration is the set of steps already ordered and the state they leave. Next can come any
// step that started before the first end among the certain steps left. What keeps the search
// narrow:
// - A step that changes nothing and adds no knowledge is taken at once: no later place is better.
// - A version is not left while a certain step still needs it: it cannot come back.
// - Writes with known versions come in version order, and one of unknown version must have room.
// The bound is on configurations; at the bound the answer is "undecided", never a guess.

import { assert, Prng, present } from "@pdpm/base";
import { applyStep, emptyRegister, type Register, registerText } from "./register.ts";
import { planSearch, type SearchPlan } from "./search-plan.ts";
import type { Step } from "./step.ts";
import { involvedCountMax, linearizable, type Verdict, violation } from "./verdict.ts";

interface Candidate {
  readonly index: number;
  readonly state: Register;
  readonly end: number;
}

interface Frame {
  /** Length of the trail before the choice that led here. */
  readonly mark: number;
  readonly candidates: readonly Candidate[];
  position: number;
}

class Search {
  readonly #plan: SearchPlan;
  /** The certain steps not yet ordered, linked by start; index `certainCount` is head and tail. */
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  /** How many certain steps not yet ordered need what this certain step wrote. */
  readonly #needed: Int32Array;
  /** Class of each optional step, and how many of each class are ordered. */
  readonly #classUsed: Int32Array;
  readonly #classOf = new Map<number, number>();
  /** Two random words per step; the words of the ordered steps, xored, stand for their set. */
  readonly #words: Int32Array;
  #wordA = 0;
  #wordB = 0;
  readonly #trail: number[] = [];
  #versionCount = 0;
  readonly #seen = new Set<string>();
  #configurationCount = 0;
  #deepest: { readonly length: number; readonly steps: (Step | undefined)[] } | null = null;

  constructor(plan: SearchPlan) {
    const { steps, certainCount, classes, targets } = plan;
    this.#plan = plan;
    this.#next = new Int32Array(certainCount + 1).map((_, i) => i + 1);
    this.#next[certainCount] = 0;
    this.#previous = new Int32Array(certainCount + 1).map((_, i) => i - 1);
    this.#previous[0] = certainCount;
    this.#needed = new Int32Array(certainCount);
    for (const target of targets) if (target >= 0) this.#add(target, 1);
    this.#classUsed = new Int32Array(classes.length);
    for (const [index, { members }] of classes.entries()) {
      for (const member of members) this.#classOf.set(member, index);
    }
    const prng = new Prng("checker");
    this.#words = Int32Array.from({ length: 2 * steps.length }, () => prng.u32());
  }

  run(configurationCountMax: number): Verdict {
    const frames: Frame[] = [];
    const first = this.#enter(emptyRegister, 0);
    if (first === "complete") return linearizable;
    if (first !== "dead") frames.push(first);
    for (let frame = frames.at(-1); frame !== undefined; frame = frames.at(-1)) {
      const choice = frame.candidates[frame.position];
      frame.position += 1;
      if (choice === undefined) {
        this.#undo(frame.mark);
        frames.pop();
        continue;
      }
      if (this.#configurationCount >= configurationCountMax) {
        return { kind: "undecided", reason: `tried ${configurationCountMax} configurations` };
      }
      const mark = this.#trail.length;
      this.#take(choice.index);
      const entered = this.#enter(choice.state, mark);
      if (entered === "complete") return linearizable;
      if (entered === "dead") this.#undo(mark);
      else frames.push(entered);
    }
    const { steps } = present(this.#deepest ?? undefined, "a failed search has gone somewhere");
    return violation("no-order", "no order of the operations explains these", ...steps);
  }

  /** Looks around in a configuration: takes what is free, then lists what may come next. */
  #enter(state: Register, mark: number): Frame | "complete" | "dead" {
    this.#configurationCount += 1;
    const firstEnd = this.#takeFree(state);
    if (this.#next[this.#plan.certainCount] === this.#plan.certainCount) return "complete";
    const candidates = this.#candidates(state, firstEnd);
    // Where there is no choice nothing is kept: such a stretch is walked again, up to the next
    // choice.
    if (candidates.length > 1) {
      const text = `${this.#wordA} ${this.#wordB} ${registerText(state)}`;
      if (this.#seen.has(text)) return "dead";
      this.#seen.add(text);
    }
    if (candidates.length > 0) return { mark, candidates, position: 0 };
    this.#remember(state, firstEnd);
    return "dead";
  }

  /** Takes every step that changes nothing; returns the first end among the certain steps left. */
  #takeFree(state: Register): number {
    const { steps, certainCount } = this.#plan;
    for (;;) {
      let firstEnd = Number.POSITIVE_INFINITY;
      let taken = 0;
      for (let i = this.#after(certainCount); i !== certainCount; i = this.#after(i)) {
        const step = this.#step(i);
        if (step.start > firstEnd) break;
        if (step.effect === "none" && applyStep(state, step, i) === state) {
          this.#take(i);
          taken += 1;
        } else if (step.end < firstEnd) firstEnd = step.end;
      }
      assert(this.#trail.length <= steps.length, "no step is taken twice");
      if (taken === 0) return firstEnd;
    }
  }

  #candidates(state: Register, firstEnd: number): Candidate[] {
    const { certainCount, classes } = this.#plan;
    const candidates: Candidate[] = [];
    for (let i = this.#after(certainCount); i !== certainCount; i = this.#after(i)) {
      const step = this.#step(i);
      if (step.start > firstEnd) break;
      const next = this.#advance(state, step, i);
      if (next !== null) candidates.push({ index: i, state: next, end: step.end });
    }
    candidates.sort((a, b) => a.end - b.end);
    for (const [index, { members }] of classes.entries()) {
      const member = members[present(this.#classUsed[index], "a class")];
      if (member === undefined) continue;
      const step = this.#step(member);
      if (step.start > firstEnd) continue;
      const next = this.#advance(state, step, member);
      if (next === null || next === state) continue;
      candidates.push({ index: member, state: next, end: step.end });
    }
    return candidates;
  }

  /** The state after a step, or null if it cannot come next in any order that succeeds. */
  #advance(state: Register, step: Step, index: number): Register | null {
    const next = applyStep(state, step, index);
    if (next === null || next.writer === state.writer) return next;
    if (state.writer >= 0 && state.writer < this.#plan.certainCount) {
      const own = this.#plan.targets[index] === state.writer ? 1 : 0;
      if (present(this.#needed[state.writer], "a write") > own) return null;
    }
    if (step.effect !== "write") return next;
    const version = this.#plan.versions[this.#versionCount];
    if (version === undefined) return next;
    if (step.version !== 0) return step.version === version ? next : null;
    return next.version < version ? next : null;
  }

  #take(index: number): void {
    this.#trail.push(index);
    this.#mark(index, 1);
    if (index >= this.#plan.certainCount) return;
    const [before, after] = [this.#before(index), this.#after(index)];
    this.#next[before] = after;
    this.#previous[after] = before;
  }

  /** Undoes the trail down to `mark`, newest first, so each link finds its place again. */
  #undo(mark: number): void {
    while (this.#trail.length > mark) {
      const index = present(this.#trail.pop(), "the trail is longer than the mark");
      this.#mark(index, -1);
      if (index >= this.#plan.certainCount) continue;
      this.#next[this.#before(index)] = index;
      this.#previous[this.#after(index)] = index;
    }
  }

  #mark(index: number, sign: 1 | -1): void {
    this.#wordA ^= this.#words[2 * index] ?? 0;
    this.#wordB ^= this.#words[2 * index + 1] ?? 0;
    const used = this.#classOf.get(index);
    if (used !== undefined) {
      this.#classUsed[used] = present(this.#classUsed[used], "a class") + sign;
      return;
    }
    const target = this.#plan.targets[index] ?? -1;
    if (target >= 0) this.#add(target, -sign);
    if (this.#step(index).version !== 0) this.#versionCount += sign;
  }

  #add(target: number, count: number): void {
    this.#needed[target] = (this.#needed[target] ?? 0) + count;
  }

  /** Keeps what stood in the way where the search came farthest: that is what a violation shows. */
  #remember(state: Register, firstEnd: number): void {
    const length = this.#trail.length;
    if (this.#deepest !== null && this.#deepest.length >= length) return;
    const { certainCount, steps } = this.#plan;
    const blocked = [steps[state.writer], steps[this.#plan.lastNeeds.get(state.writer) ?? -1]];
    for (let i = this.#after(certainCount); i !== certainCount; i = this.#after(i)) {
      if (this.#step(i).start > firstEnd || blocked.length >= involvedCountMax) break;
      blocked.push(this.#step(i));
    }
    this.#deepest = { length, steps: blocked };
  }

  #step(index: number): Step {
    return present(this.#plan.steps[index], "a step of the plan");
  }

  #after(index: number): number {
    return present(this.#next[index], "a linked step");
  }

  #before(index: number): number {
    return present(this.#previous[index], "a linked step");
  }
}

/**
 * Decides a key by search.
 *
 * @param configurationCountMax - How many configurations to try before saying "undecided".
 */
export function checkBySearch(steps: readonly Step[], configurationCountMax: number): Verdict {
  const plan = planSearch(steps);
  return "kind" in plan ? plan : new Search(plan).run(configurationCountMax);
}
