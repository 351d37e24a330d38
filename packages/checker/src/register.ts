// One register as the search sees it: the state of a key between two steps, and what a step makes
// of it.
//
// A write may have a version that nobody recorded. The state then knows the smallest number it can
// be, and the numbers it is known not to be; a later step may pin it. Always taking the smallest
// loses no order, because numbers may skip and every later bound is a lower one.

import type { Step } from "./step.ts";

/** The state of one key. Never changed, only replaced. */
export interface Register {
  readonly present: boolean;
  /** The value that is there; null when missing. */
  readonly value: string | null;
  /** Index of the step that wrote it; -1 when missing. */
  readonly writer: number;
  /** Whether `version` is known, not only bounded. */
  readonly exact: boolean;
  /** The version that is there, or the smallest it can be; when missing, that of the last write. */
  readonly version: number;
  /** Numbers above `version` that it is not; empty when exact. */
  readonly excluded: readonly number[];
}

/** Before anything was written. */
export const emptyRegister: Register = {
  present: false,
  value: null,
  writer: -1,
  exact: true,
  version: 0,
  excluded: [],
};

function pin(state: Register, version: number): Register | null {
  if (!state.present) return null;
  if (state.exact) return state.version === version ? state : null;
  if (version < state.version || state.excluded.includes(version)) return null;
  return { ...state, exact: true, version, excluded: [] };
}

function exclude(state: Register, version: number): Register | null {
  if (!state.present) return state;
  if (state.exact) return state.version === version ? null : state;
  if (version < state.version || state.excluded.includes(version)) return state;
  const excluded = [...state.excluded, version].sort((a, b) => a - b);
  let smallest = state.version;
  while (excluded[0] === smallest) {
    excluded.shift();
    smallest += 1;
  }
  return { ...state, version: smallest, excluded };
}

function meet(state: Register, step: Step): Register | null {
  switch (step.needs) {
    case "anything":
      return state;
    case "missing":
      return state.present ? null : state;
    case "present":
      return state.present ? state : null;
    case "version":
      return pin(state, step.needsVersion);
    case "version-or-missing":
      return state.present ? pin(state, step.needsVersion) : state;
    case "another-version":
      return exclude(state, step.needsVersion);
    case "value":
      if (!state.present || state.value !== step.needsValue) return null;
      return step.needsVersion === 0 ? state : pin(state, step.needsVersion);
  }
}

function write(state: Register, step: Step, index: number): Register | null {
  const least = state.version + 1;
  const exact = step.version !== 0;
  if (exact && step.version < least) return null;
  const version = exact ? step.version : least;
  return { present: true, value: step.value, writer: index, exact, version, excluded: [] };
}

/**
 * The state after `step`, or null if its needs do not hold.
 *
 * @param index - What `writer` shall be if the step writes.
 * @returns The same object when nothing changed and nothing new is known.
 */
export function applyStep(state: Register, step: Step, index: number): Register | null {
  const met = meet(state, step);
  if (met === null || step.effect === "none") return met;
  if (step.effect === "write") return write(met, step, index);
  if (!met.present) return met;
  return { ...emptyRegister, version: met.version };
}

/** Equal texts: equal states. */
export function registerText(state: Register): string {
  const version = `${state.exact ? "=" : ">"}${state.version}`;
  const value = state.present ? JSON.stringify(state.value) : "";
  return `${value}${version}!${state.excluded.join("!")}`;
}
