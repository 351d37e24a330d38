// What a decider says about one key.

import type { Operation } from "./operation.ts";

/** At most this many operations stand in a violation: the few that show it, not the whole key. */
export const involvedCountMax = 8;

/** No order of the operations explains what the clients were told. */
export interface Violation {
  readonly kind: "violation";
  /** One clause, without the key. */
  readonly reason: string;
  /** At most `involvedCountMax`, by start. */
  readonly operations: readonly Operation[];
}

/** `undecided`: the decider's bound was reached, or the history is outside of what it decides. */
export type Verdict =
  | { readonly kind: "linearizable" }
  | { readonly kind: "undecided"; readonly reason: string }
  | Violation;

/** The verdict on a key for which an order was found. */
export const linearizable: Verdict = { kind: "linearizable" };

/** A violation that `steps` show together; doubles and empty places are dropped. */
export function violation(
  reason: string,
  ...steps: readonly ({ readonly operation: Operation } | null | undefined)[]
): Violation {
  const found = new Set<Operation>();
  for (const step of steps) {
    if (step && found.size < involvedCountMax) found.add(step.operation);
  }
  return { kind: "violation", reason, operations: [...found].sort((a, b) => a.start - b.start) };
}
