// How large the bars are measured; the defaults are those of the bars themselves.

/** See the head of this file. */
export interface Scale {
  /** Repetitions; what is compared takes turns. */
  readonly runs: number;
  /** Keys of a store whose gets are measured. */
  readonly keys: number;
  /** Entries of the store that is opened. */
  readonly entries: number;
  /** Of one run of a workload. */
  readonly seconds: number;
}

/** Values of all bars but one have this size. */
export const valueBytes = 1024;

/** Nothing that is measured here is to fail because the machine is busy. Milliseconds. */
export const timeoutMs = 600_000;

/** The key of a record. */
export function keyOf(nth: number): string {
  return `user${String(nth).padStart(12, "0")}`;
}
