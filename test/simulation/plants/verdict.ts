// Which invariant a failing seed breaks, by name. What is none of ours, such as a TypeError, is a
// crash of the simulation and says nothing about the store.

import { type InvariantId, invariantName, isInvariantBroken, isPdpmError } from "@pdpm/base";

/** What a seed failed by. */
export interface Verdict {
  /** An invariant; or an assertion of the production code, or an error that may not be. */
  readonly invariant: string;
  /** False: the simulation itself broke. */
  readonly isCatch: boolean;
  readonly message: string;
}

/** Invariants that an error breaks which the world of a seed gives no reason for. */
const numbers: Readonly<Record<string, InvariantId>> = {
  PDPM_BUSY: "I7",
  PDPM_TIMEOUT: "I7",
  PDPM_CORRUPT: "I9",
};

/** What `error`, thrown by a seed, says. */
export function verdictOf(error: unknown): Verdict {
  const message = error instanceof Error ? error.message : String(error);
  if (isPdpmError(error)) {
    const number = numbers[error.code];
    const prefix = number === undefined ? "" : `${number} `;
    return { invariant: `${prefix}no operation ends with ${error.code}`, isCatch: true, message };
  }
  if (isInvariantBroken(error)) {
    return { invariant: invariantName(error.invariant), isCatch: true, message };
  }
  if (!(error instanceof Error) || error.name !== "AssertionError") {
    const name = error instanceof Error ? error.name : typeof error;
    return { invariant: `crash: ${name}`, isCatch: false, message };
  }
  const text = (message.split("\n")[0] as string).replace(/\d+/g, "N").slice(0, 60);
  return { invariant: `assertion: ${text}`, isCatch: true, message };
}
