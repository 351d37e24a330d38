// What a bar is and how its result is printed.

/** A number that the project holds, and what was measured. */
export interface Result {
  readonly name: string;
  /** What `value` is: "times lmdb-js", "gets/s", "ms". */
  readonly unit: string;
  /** The median of the runs. */
  readonly value: number;
  /** Of the same kind as `value`: the smallest and the largest run. */
  readonly spread: readonly [least: number, most: number];
  readonly bar: number;
  /** Whether `value` must be at least the bar, or at most. */
  readonly is: "at least" | "at most";
  /** Absolute numbers and conditions, in one line. */
  readonly detail: string;
}

/** The middle one. */
export function medianOf(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

/** Summarises the values of several runs. */
export function resultOf(runs: readonly number[], about: Omit<Result, "value" | "spread">): Result {
  return { ...about, value: medianOf(runs), spread: [Math.min(...runs), Math.max(...runs)] };
}

/** Whether the bar is held. */
export function isHeld({ value, bar, is }: Result): boolean {
  return is === "at least" ? value >= bar : value <= bar;
}

/** Two lines: the verdict, and what stands behind it. */
export function linesOf(result: Result): string[] {
  const { name, unit, value, spread, bar, is, detail } = result;
  const verdict = isHeld(result) ? "pass " : "SHORT";
  const [least, most] = spread.map(text);
  return [
    `${verdict} ${name}: ${text(value)} ${unit} (${least} to ${most}); bar: ${is} ${text(bar)}`,
    `      ${detail}`,
  ];
}

function text(value: number): string {
  if (value >= 1000) return Math.round(value).toLocaleString("en-US");
  return value >= 100 ? value.toFixed(0) : value.toFixed(2);
}
