// How tests look at a failure.

import { isPdpmError, type PdpmError } from "@pdpm/base";
import { expect } from "vitest";

/** The error that `work` must reject with. */
export async function failureOf(
  work: Promise<unknown>,
  code: PdpmError["code"],
  outcome: PdpmError["outcome"] = "not-applied",
): Promise<PdpmError> {
  const error: unknown = await work.then(
    (value) => new Error(`resolved to ${String(value)} in place of ${code}`),
    (reason: unknown) => reason,
  );
  if (!isPdpmError(error)) throw error;
  expect([error.code, error.outcome], error.message).toEqual([code, outcome]);
  return error;
}
