// What a decider says about one key.

import type { Operation } from "./operation.ts";

/** At most this many operations stand in a violation: the few that show it, not the whole key. */
export const involvedCountMax = 8;

/** What kind of mistake a history shows, for programs; the reason says it in words. */
export type Mistake =
  | "value-never-written"
  | "value-of-another-key"
  | "value-not-applied"
  | "value-of-another-version"
  | "value-under-two-versions"
  | "version-never-written"
  | "version-repeats"
  | "version-goes-back"
  | "read-before-write"
  | "stale-read"
  | "client-goes-back"
  | "deleted-value-returns"
  | "deleted-twice"
  | "lost-update"
  | "replaced-deleted-version"
  | "created-over-value"
  | "missing-although-there"
  | "condition-ignored"
  | "conflict-without-cause"
  | "no-order";

/** No order of the operations explains what the clients were told. */
export interface Violation {
  readonly kind: "violation";
  readonly mistake: Mistake;
  /** One clause, without the key. */
  readonly reason: string;
  /** By start; at most `involvedCountMax` until it is shrunk. */
  readonly operations: readonly Operation[];
  /** Whether these are the fewest operations that show it (counterexample.ts). */
  readonly shrunk: boolean;
}

/** `undecided`: the decider's bound was reached, or the history is outside of what it decides. */
export type Verdict =
  | { readonly kind: "linearizable" }
  | { readonly kind: "undecided"; readonly reason: string }
  | Violation;

/** The verdict on a key for which an order was found. */
export const linearizable: Verdict = { kind: "linearizable" };

interface Witness {
  readonly operation: Operation;
}

/** The operations of steps, each once, by start. */
export function witnesses(steps: Iterable<Witness>): Operation[] {
  const operations = new Set(Array.from(steps, (step) => step.operation));
  return [...operations].sort((a, b) => a.start - b.start);
}

/** A violation that `steps` show together; doubles and empty places are dropped. */
export function violation(
  mistake: Mistake,
  reason: string,
  ...steps: readonly (Witness | null | undefined)[]
): Violation {
  const found = new Set<Operation>();
  for (const step of steps) {
    if (step && found.size < involvedCountMax) found.add(step.operation);
  }
  const operations = witnesses(Array.from(found, (operation) => ({ operation })));
  return { kind: "violation", mistake, reason, operations, shrunk: false };
}
