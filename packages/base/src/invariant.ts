// What must hold of every store, whatever its design and however it is reached: twelve invariants,
// by number. What finds one broken says which, so that whoever reads a failing test or an fsck
// knows what was promised. The functions that decide stand where their evidence is understood: of
// histories and of accounts of a store in the checker.

import { AssertionError } from "./assert.ts";

/** The invariants, each in a few words. */
export const invariantTexts = {
  I1: "the operations on a key have an order",
  I2: "no acknowledged write is lost",
  I3: "no deleted value returns",
  I4: "values are written ones, of their key",
  I5: "what is live verifies, and what is torn does not",
  I6: "a recovery that is made again changes nothing",
  I7: "everything ends",
  I8: "every cell is one thing, and space is exact",
  I9: "index and data agree",
  I10: "recovery takes no longer than it may",
  I11: "a seed says the same twice",
  I12: "versions are distinct and grow",
} as const;

/** The number of an invariant. */
export type InvariantId = keyof typeof invariantTexts;

/** Something that breaks an invariant: a sentence that names the place or the operations. */
export interface Breach {
  readonly invariant: InvariantId;
  readonly text: string;
}

/** An invariant was found broken: a defect of pdpm, or of the files below it. */
export class InvariantBroken extends AssertionError {
  override readonly name = "InvariantBroken";
  readonly invariant: InvariantId;
  readonly breaches: readonly Breach[];

  constructor(breaches: readonly [Breach, ...Breach[]]) {
    const texts = breaches.map(({ invariant, text }) => `${invariant}: ${text}`);
    super(texts.join("\n"));
    this.invariant = breaches[0].invariant;
    this.breaches = breaches;
  }
}

/** Whether it is one, also from another copy of this module. */
export function isInvariantBroken(error: unknown): error is InvariantBroken {
  return error instanceof Error && error.name === "InvariantBroken";
}

/** `I8 every cell is …`: how an invariant is named in tables and messages. */
export function invariantName(id: InvariantId): string {
  return `${id} ${invariantTexts[id]}`;
}

/** @throws InvariantBroken unless all of these lists are empty */
export function hold(...found: readonly (readonly Breach[])[]): void {
  const [first, ...others] = found.flat();
  if (first !== undefined) throw new InvariantBroken([first, ...others]);
}
