// What a failure looks like from outside: one line on stderr (one JSON object with --json) and an
// exit code. Our own defects keep their stack, for they are to be reported.

import { errorCodes, isPdpmError, PdpmError } from "@pdpm/base";
import { CommanderError } from "commander";
import { exitCodes } from "./verb.ts";

/** The outside of an error. */
interface Failure {
  readonly code: string;
  readonly message: string;
  readonly outcome: string;
  readonly action: string;
  readonly exitCode: number;
}

/** A mistake in the command line: exit code 2. `text` says what to do. */
export function usageError(text: string): PdpmError {
  return new PdpmError("PDPM_INVALID_ARGUMENT", text);
}

/** A key that is not there: nothing on stdout, a line on stderr. @returns the exit code */
export function reportMissing(verb: string, key: string, json: boolean): number {
  const failure = plain("NOT_FOUND", `no key ${JSON.stringify(key)}`);
  show(failure, `pdpm ${verb}`, json);
  return exitCodes.notFound;
}

/** A failure that no program reacts to in a way of its own. @returns the exit code */
export function reportFailed(verb: string, message: string, json: boolean): number {
  show(plain("FAILED", message), `pdpm ${verb}`, json);
  return exitCodes.failed;
}

/** Reports what a verb threw. @returns the exit code */
export function reportFailure(error: unknown, words: readonly string[]): number {
  const verb = words.find((word) => !word.startsWith("-"));
  const isKnown = !(error instanceof CommanderError && error.code === "commander.unknownCommand");
  const of = verb === undefined || !isKnown ? "pdpm" : `pdpm ${verb}`;
  const end = words.indexOf("--");
  const json = words.slice(0, end < 0 ? undefined : end).includes("--json");
  const failure = failureOf(error, of);
  show(failure, of, json);
  return failure.exitCode;
}

function failureOf(error: unknown, of: string): Failure {
  if (error instanceof CommanderError) {
    const text = error.message.replace(/^error: /, "").replace(/\s*\n\s*/g, " ");
    const message = `PDPM_INVALID_ARGUMENT: ${text}; see \`${of} --help\``;
    return { ...plain("PDPM_INVALID_ARGUMENT", message), exitCode: exitCodes.usage };
  }
  if (isPdpmError(error)) {
    const { code, outcome, action } = error;
    const message = error.message.replace(/\s*\n\s*/g, " ");
    return { code, message, outcome, action, exitCode: errorCodes[code].exitCode };
  }
  const { code, syscall, message, stack } = error as NodeJS.ErrnoException;
  // The system said no: a file that is not there, a right that is missing.
  if (typeof code === "string" && syscall !== undefined) return plain(code, message);
  return plain("INTERNAL", stack ?? String(error));
}

function plain(code: string, message: string): Failure {
  return { code, message, outcome: "not-applied", action: "fix-call", exitCode: exitCodes.failed };
}

function show({ exitCode, ...error }: Failure, of: string, json: boolean): void {
  const unknown = error.outcome === "unknown" ? " (it may have taken effect)" : "";
  const line = json ? JSON.stringify({ error }) : `${of}: ${error.message}${unknown}`;
  process.stderr.write(`${line}\n`);
}
