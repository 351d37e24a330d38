// The invariants of a history, each a function of what the check found: I1 to I4 and I12. The check
// stops at the first mistake it finds, so at most one of them is broken by it.

import type { Breach, InvariantId } from "@pdpm/base";
import type { CheckResult } from "./linearizability.ts";
import { drawTimeline } from "./timeline.ts";
import type { Mistake } from "./verdict.ts";

/** Which invariant each kind of mistake breaks. */
const broken: Readonly<Record<Mistake, InvariantId>> = {
  "value-never-written": "I4",
  "value-of-another-key": "I4",
  "value-not-applied": "I4",
  "value-of-another-version": "I4",
  "value-under-two-versions": "I4",
  "version-never-written": "I4",
  "version-repeats": "I12",
  "version-goes-back": "I12",
  "client-goes-back": "I12",
  "read-before-write": "I1",
  "stale-read": "I1",
  "deleted-value-returns": "I3",
  "deleted-twice": "I3",
  "replaced-deleted-version": "I3",
  "lost-update": "I2",
  "missing-although-there": "I2",
  "created-over-value": "I1",
  "condition-ignored": "I1",
  "conflict-without-cause": "I1",
  "no-order": "I1",
};

function breaches(result: CheckResult, invariant: InvariantId): Breach[] {
  if (result.ok || result.mistake === null || broken[result.mistake] !== invariant) return [];
  const shown = drawTimeline(result.operations).join("\n  ");
  return [{ invariant, text: `${result.reason}\n  ${shown}` }];
}

/** I1: each key's operations have an order that explains what their clients were told. */
export function operationsHaveAnOrder(result: CheckResult): Breach[] {
  return breaches(result, "I1");
}

/** I2: what was acknowledged stays until somebody replaces or deletes it. */
export function noWriteIsLost(result: CheckResult): Breach[] {
  return breaches(result, "I2");
}

/** I3: what was deleted comes back by another write alone. */
export function noDeletedValueReturns(result: CheckResult): Breach[] {
  return breaches(result, "I3");
}

/** I4: a value that is read was written to that key, under that version. */
export function valuesAreWritten(result: CheckResult): Breach[] {
  return breaches(result, "I4");
}

/** I12: no two writes of a key have one version, and nobody sees versions go back. */
export function versionsGrow(result: CheckResult): Breach[] {
  return breaches(result, "I12");
}

/** All of them. @throws Error when the check could not decide: that says nothing of the store. */
export function historyBreaches(result: CheckResult): Breach[] {
  if (!result.ok && result.undecided) throw new Error(`undecided: ${result.reason}`);
  return [
    operationsHaveAnOrder(result),
    noWriteIsLost(result),
    noDeletedValueReturns(result),
    valuesAreWritten(result),
    versionsGrow(result),
  ].flat();
}
