// How a number stands in a value, for `increment`: as itself, or as decimal text.
//
// Invariant: what `toValue` writes, `toNumber` reads back exactly; so increments that stay within
// the safe integers never lose one. A sum that leaves them is refused, not rounded.

import { PdpmError } from "@pdpm/base";

/** How one codec keeps numbers. */
export interface NumberForm<V> {
  /** The number in `value`, or undefined if it holds none. */
  toNumber(value: V): number | undefined;
  toValue(number: number): V;
}

/** What JavaScript writes for any finite number, and nothing looser: no blanks, no "0x", no "". */
const decimalPattern = /^-?\d+(\.\d+)?(e[+-]\d+)?$/;
/** Longer text is no number that we wrote: JavaScript needs at most 24 characters. */
const decimalLengthMost = 32;

/** The number that `text` says in decimal, or undefined. */
export function decimalOf(text: string): number | undefined {
  if (text.length > decimalLengthMost || !decimalPattern.test(text)) return undefined;
  return finite(Number(text));
}

/** `number` if it is one that can be counted on, else undefined. */
export function finite(number: unknown): number | undefined {
  return typeof number === "number" && Number.isFinite(number) ? number : undefined;
}

/**
 * `number + by`.
 * @throws PDPM_INVALID_ARGUMENT if the sum is not finite, or two integers have none that is exact.
 */
export function sumOf(number: number, by: number): number {
  const sum = number + by;
  const isWhole = Number.isInteger(number) && Number.isInteger(by);
  if (isWhole ? Number.isSafeInteger(sum) : Number.isFinite(sum)) return sum;
  throw new PdpmError(
    "PDPM_INVALID_ARGUMENT",
    `${number} + ${by} is beyond the numbers that JavaScript keeps exactly; keep it as text`,
  );
}
