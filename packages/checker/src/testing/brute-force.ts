// A judge that knows nothing of the deciders' tricks: it tries every order of a small history, with
// every number an unrecorded version could have.

import type { Operation } from "../operation.ts";

/** What a key holds. */
export interface State {
  readonly value: string | null;
  readonly version: number;
  readonly last: number;
}

/** Whether a condition holds: 0 stands for a missing key. */
export function holds(state: State, ifVersion: number | null): boolean {
  if (ifVersion === null) return true;
  return ifVersion === 0
    ? state.value === null
    : state.value !== null && state.version === ifVersion;
}

function writes(state: State, operation: Operation, cap: number): State[] {
  if (!holds(state, operation.ifVersion)) return [];
  const next: State[] = [];
  for (let version = state.last + 1; version <= cap; version += 1) {
    if (operation.version === null || operation.version === version) {
      next.push({ value: operation.value, version, last: version });
    }
  }
  return next;
}

function deletes(state: State, operation: Operation, versioned: boolean): State[] {
  const gone = { value: null, version: 0, last: state.last };
  const { ifVersion, version, outcome } = operation;
  if (version !== null) return holds(state, version) && holds(state, ifVersion) ? [gone] : [];
  if (outcome === "ok" && (versioned || state.value === null)) {
    return state.value === null ? [state] : [];
  }
  return holds(state, ifVersion) ? [gone] : [];
}

function after(state: State, operation: Operation, cap: number, versioned: boolean): State[] {
  const { op, value, version, ifVersion, outcome } = operation;
  if (outcome === "conflict") {
    const fits = version === null ? !holds(state, ifVersion) : holds(state, version);
    return fits ? [state] : [];
  }
  if (op === "delete") return deletes(state, operation, versioned);
  if (op !== "get") return writes(state, operation, cap);
  if (outcome === "unknown") return [state];
  if (value !== state.value) return [];
  return version === null || version === state.version ? [state] : [];
}

/** Whether some order explains the operations of one key. At most seven or so: it tries all. */
export function isLinearizable(operations: readonly Operation[], versioned: boolean): boolean {
  const left = new Set(operations.filter((operation) => operation.outcome !== "not-applied"));
  const mentioned = operations.flatMap((operation) => [operation.version, operation.ifVersion]);
  const cap = Math.max(...mentioned.map((version) => version ?? 0)) + operations.length;
  const search = (state: State): boolean => {
    const certain = [...left].filter((operation) => operation.outcome !== "unknown");
    if (certain.length === 0) return true;
    const firstEnd = Math.min(...certain.map((operation) => operation.end ?? 0));
    for (const operation of [...left]) {
      if (operation.start > firstEnd) continue;
      left.delete(operation);
      const found = after(state, operation, cap, versioned).some(search);
      left.add(operation);
      if (found) return true;
    }
    return false;
  };
  return search({ value: null, version: 0, last: 0 });
}
