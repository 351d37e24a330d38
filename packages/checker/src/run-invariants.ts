// The invariants of what happens rather than of what is there, each a function of what a test saw
// of it: I5 of torn bytes, I6, I7, I10 and I11.

import type { Breach } from "@pdpm/base";

/** I5: bytes that are no whole copy are believed by nobody. `believed` names those that were. */
export function tornIsNotBelieved(believed: readonly string[]): Breach[] {
  return believed.map((text) => ({ invariant: "I5", text: `torn, and believed: ${text}` }));
}

/** I6: what a recovery left, and what it left when it was made again; every byte of both. */
export function recoveryIsIdempotent(once: Uint8Array, twice: Uint8Array): Breach[] {
  const length = Math.max(once.length, twice.length);
  let at = 0;
  while (at < length && once[at] === twice[at]) at += 1;
  if (at === length) return [];
  return [{ invariant: "I6", text: `a second recovery changes byte ${at} of ${once.length}` }];
}

/** I7: nobody waits for ever, or owes an answer. `waiting` says who, and for what. */
export function everythingEnds(waiting: readonly string[]): Breach[] {
  return waiting.map((text) => ({ invariant: "I7", text: `it does not end: ${text}` }));
}

/** I10: `what` was back `tookMs` milliseconds after it could be, at most `mostMs`. */
export function recoveryIsInTime(what: string, tookMs: number, mostMs: number): Breach[] {
  if (tookMs <= mostMs) return [];
  return [{ invariant: "I10", text: `${what} took ${tookMs} ms, more than ${mostMs} ms` }];
}

/** What can be compared of one run of a seed. */
export interface SeedRun {
  readonly trace: readonly string[];
  readonly steps: number;
  /** What its random numbers go on with. */
  readonly nextRandom: number;
}

/** I11: a seed that is run again posts, answers and draws the same. */
export function seedsSayTheSame(one: SeedRun, two: SeedRun): Breach[] {
  const texts: string[] = [];
  const length = Math.max(one.trace.length, two.trace.length);
  const at = Array.from({ length }, (_, i) => i).find((i) => one.trace[i] !== two.trace[i]);
  if (at !== undefined) texts.push(`line ${at}: "${one.trace[at]}", and then "${two.trace[at]}"`);
  if (one.steps !== two.steps) texts.push(`it took ${one.steps} steps, and then ${two.steps}`);
  if (one.nextRandom !== two.nextRandom) texts.push("its random numbers go on otherwise");
  return texts.map((text) => ({ invariant: "I11", text }));
}
