// What an operation means for one register: what must be true at the moment it takes effect
// (`needs`), and what it does then (`effect`). Both deciders, the fast one and the search, see only
// steps.
//
// Invariants:
// - A step takes effect at one moment in [start, end]. One step comes before another for certain
//   only if its end is smaller than the other's start; equal times overlap.
// - An optional step (unknown outcome) has no end: it may take effect at any time, or never. When
//   its needs do not hold it does nothing, which is the same as never.
// - Operations that can have no effect and saw nothing have no step: what was not applied, a get of
//   unknown outcome, an unknown delete on the condition that the key is missing.

import type { Operation } from "./operation.ts";

/** The state a step requires; `version` and `value` refer to `needsVersion` and `needsValue`. */
export type Needs =
  | "anything"
  | "missing"
  | "present"
  | "version"
  | "version-or-missing"
  | "another-version" // Missing counts as another.
  | "value"; // With needsVersion above 0, also that version.

/** What a step does to the register. */
export type Effect = "none" | "write" | "delete";

/** One operation, reduced to its meaning for the register of its key. */
export interface Step {
  readonly operation: Operation;
  readonly start: number;
  /** Infinity when optional. */
  readonly end: number;
  readonly optional: boolean;
  readonly needs: Needs;
  /** 0 when the needs name no version. */
  readonly needsVersion: number;
  readonly needsValue: string | null;
  readonly effect: Effect;
  /** The value written; null unless a write. */
  readonly value: string | null;
  /** The version written; 0 when it is not known, or nothing is written. */
  readonly version: number;
}

function step(operation: Operation, effect: Effect, needs: Needs, needsVersion = 0): Step {
  const optional = operation.outcome === "unknown";
  const writes = effect === "write";
  return {
    operation,
    start: operation.start,
    end: optional ? Number.POSITIVE_INFINITY : (operation.end ?? Number.POSITIVE_INFINITY),
    optional,
    needs,
    needsVersion,
    needsValue: needs === "value" ? operation.value : null,
    effect,
    value: writes ? operation.value : null,
    version: writes ? (operation.version ?? 0) : 0,
  };
}

/** A condition that held: 0 stands for a missing key. */
function conditional(operation: Operation, effect: Effect, ifVersion: number): Step {
  if (ifVersion === 0) return step(operation, effect, "missing");
  return step(operation, effect, "version", ifVersion);
}

function conflictStep(operation: Operation): Step {
  const { version, ifVersion } = operation;
  if (version !== null) return conditional(operation, "none", version);
  if (ifVersion === null || ifVersion === 0) return step(operation, "none", "present");
  return step(operation, "none", "another-version", ifVersion);
}

function getStep(operation: Operation): Step {
  if (operation.value === null) return step(operation, "none", "missing");
  return step(operation, "none", "value", operation.version ?? 0);
}

function deleteStep(operation: Operation, versioned: boolean): Step | null {
  const { version, ifVersion } = operation;
  if (operation.outcome === "unknown") {
    if (ifVersion === 0) return null;
    return ifVersion === null
      ? step(operation, "delete", "anything")
      : conditional(operation, "delete", ifVersion);
  }
  if (version !== null) return step(operation, "delete", "version", version);
  if (versioned || ifVersion === 0) return step(operation, "none", "missing");
  if (ifVersion === null) return step(operation, "delete", "anything");
  return step(operation, "delete", "version-or-missing", ifVersion);
}

/**
 * The step of an operation, or null when it can have no part in any order.
 *
 * @param versioned - Whether the history records versions. If so a delete without a version found
 *   the key missing; if not it may have found anything.
 */
export function toStep(operation: Operation, versioned: boolean): Step | null {
  const { op, outcome, ifVersion } = operation;
  if (outcome === "not-applied") return null;
  if (outcome === "conflict") return conflictStep(operation);
  if (op === "delete") return deleteStep(operation, versioned);
  if (op === "get") return outcome === "unknown" ? null : getStep(operation);
  return ifVersion === null
    ? step(operation, "write", "anything")
    : conditional(operation, "write", ifVersion);
}
