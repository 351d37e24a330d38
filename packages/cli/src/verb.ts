// What a verb of the command line is made of: its options, examples, and its work.

import type { Command } from "commander";

/** The words and options that a verb was given, checked by its definitions. */
export interface Given {
  readonly args: readonly string[];
  readonly options: Readonly<Record<string, unknown>>;
}

/** One verb. */
export interface Verb {
  /** Adds the options. */
  define(command: Command): void;
  /** Lines for --help, each with its line end; may be empty. */
  readonly examples: string;
  /** Does the work; what it throws becomes a line on stderr. @returns the exit code */
  run(given: Given): Promise<number>;
}

/** Exit codes that are no error of the library; errorCodes of @pdpm/base has those. */
export const exitCodes = { ok: 0, failed: 1, usage: 2, notFound: 3, integrity: 6 } as const;
