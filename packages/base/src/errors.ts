// The one error class. A code exists only if a caller could react to it in a way of its own; the
// message starts with the code and says what to do. Match on `code`, never on the class or the
// text.

/** What the caller can do about an error. */
export type ErrorAction = "retry" | "reopen" | "fix-call" | "fix-data";

/** Whether the operation took effect: certainly not, or nobody here can know. */
export type ErrorOutcome = "not-applied" | "unknown";

/** The closed set of error codes; a sentence on each stands in the table below. */
export type ErrorCode =
  | "PDPM_INVALID_ARGUMENT"
  | "PDPM_CONFLICT"
  | "PDPM_BUSY"
  | "PDPM_TIMEOUT"
  | "PDPM_ABORTED"
  | "PDPM_UNAVAILABLE"
  | "PDPM_FENCED"
  | "PDPM_CLOSED"
  | "PDPM_NO_SPACE"
  | "PDPM_CORRUPT"
  | "PDPM_POISONED"
  | "PDPM_WRONG_STORE"
  | "PDPM_IN_USE"
  | "PDPM_UNSUPPORTED";

/** What each code asks of the caller, and its exit code on the command line. */
export const errorCodes: Readonly<Record<ErrorCode, { action: ErrorAction; exitCode: number }>> = {
  /** An argument, option, key or value that is not allowed. */
  PDPM_INVALID_ARGUMENT: { action: "fix-call", exitCode: 2 },
  /** A conditional write met another version. */
  PDPM_CONFLICT: { action: "retry", exitCode: 4 },
  /** Another client holds what is needed and did not let go in time; the message names it. */
  PDPM_BUSY: { action: "retry", exitCode: 5 },
  /** The deadline passed. */
  PDPM_TIMEOUT: { action: "retry", exitCode: 5 },
  /** The caller's AbortSignal fired. */
  PDPM_ABORTED: { action: "retry", exitCode: 5 },
  /** A memory node cannot be reached, or the connection broke. */
  PDPM_UNAVAILABLE: { action: "retry", exitCode: 5 },
  /** This client was given up by the others; it has come back under a new id. */
  PDPM_FENCED: { action: "retry", exitCode: 5 },
  /** The store was closed. */
  PDPM_CLOSED: { action: "reopen", exitCode: 1 },
  /** The store, the disk or a table of fixed size is full. Deletes still work. */
  PDPM_NO_SPACE: { action: "fix-call", exitCode: 1 },
  /** Bytes that do not verify; the message names the key and the place. */
  PDPM_CORRUPT: { action: "fix-data", exitCode: 6 },
  /** A flush failed: nothing of this region is believed until it was reopened and checked. */
  PDPM_POISONED: { action: "reopen", exitCode: 6 },
  /** Another design, another store, or a newer format stands there. */
  PDPM_WRONG_STORE: { action: "fix-call", exitCode: 1 },
  /** A living process holds the directory in a way that excludes this one. */
  PDPM_IN_USE: { action: "retry", exitCode: 5 },
  /** This platform or file system cannot carry the store. */
  PDPM_UNSUPPORTED: { action: "fix-call", exitCode: 1 },
};

/** Further facts of an error. */
export interface ErrorDetails {
  /** @defaultValue "not-applied" */
  readonly outcome?: ErrorOutcome;
  readonly cause?: unknown;
}

/** Every error that pdpm reports. `message` is `CODE: text`. */
export class PdpmError extends Error {
  override readonly name = "PdpmError";
  readonly code: ErrorCode;
  readonly action: ErrorAction;
  readonly outcome: ErrorOutcome;

  constructor(code: ErrorCode, text: string, details: ErrorDetails = {}) {
    super(`${code}: ${text}`, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.action = errorCodes[code].action;
    this.outcome = details.outcome ?? "not-applied";
  }

  /** The text without the code in front. */
  get text(): string {
    return this.message.slice(this.code.length + 2);
  }

  /** The same error with another outcome. */
  withOutcome(outcome: ErrorOutcome): PdpmError {
    if (outcome === this.outcome) return this;
    return new PdpmError(this.code, this.text, { outcome, cause: this.cause });
  }
}

/** True for an error of ours, also one that came from another copy of this package. */
export function isPdpmError(error: unknown): error is PdpmError {
  return error instanceof Error && error.name === "PdpmError";
}
