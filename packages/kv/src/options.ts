// The options of single operations: what may be given, and that nothing else is. An option that is
// misspelt or of a wrong type would be a promise that nobody keeps, so it is an error.

import { PdpmError } from "@pdpm/base";

/** Options of every operation. */
export interface OperationOptions {
  /**
   * Milliseconds from the call until the operation has ended, one way or another; Infinity for no
   * deadline. An iteration counts anew for every page. @defaultValue the store's `timeoutMs`
   */
  readonly timeoutMs?: number | undefined;
  /** Ends the wait when it fires. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of put and delete. */
export interface WriteOptions extends OperationOptions {
  /** Write only if the key has this version now; 0: only if it does not exist. */
  readonly ifVersion?: number | undefined;
}

/** Options of keys and entries. */
export interface IterateOptions extends OperationOptions {
  /** Only keys that begin with these bytes; text stands for its UTF-8 bytes. */
  readonly prefix?: string | Uint8Array | undefined;
  /** At most this many. */
  readonly limit?: number | undefined;
}

/** Options of close. */
export interface CloseOptions {
  /** Milliseconds that running operations get to settle. @defaultValue the store's `timeoutMs` */
  readonly timeoutMs?: number | undefined;
}

/** Why a value is not allowed, or null. */
export type Check = (value: unknown) => string | null;

/** The check of each option by its name. */
export type Checks = Readonly<Record<string, Check>>;

/** Milliseconds: a number from 0 up, Infinity included. */
export const checkMilliseconds: Check = (value) =>
  typeof value === "number" && value >= 0 ? null : "must be milliseconds, 0 or more";

/** A count: a whole number from 0 up. */
const checkCount: Check = (value) =>
  Number.isSafeInteger(value) && (value as number) >= 0
    ? null
    : "must be a whole number, 0 or more";

const checkSignal: Check = (value) =>
  value instanceof AbortSignal ? null : "must be an AbortSignal";

const checkPrefix: Check = (value) =>
  typeof value === "string" || value instanceof Uint8Array ? null : "must be text or bytes";

/** What close takes. */
export const closeChecks: Checks = { timeoutMs: checkMilliseconds };
/** What every operation takes. */
export const operationChecks: Checks = { timeoutMs: checkMilliseconds, signal: checkSignal };
/** What put and delete take. */
export const writeChecks: Checks = { ...operationChecks, ifVersion: checkCount };
/** What keys and entries take. */
export const iterateChecks: Checks = { ...operationChecks, prefix: checkPrefix, limit: checkCount };

/**
 * Checks every option that was given; one that is undefined counts as not given.
 * @param of - Whose options they are, for the message: "put".
 * @throws PDPM_INVALID_ARGUMENT naming the option.
 */
export function checkOptions(options: unknown, checks: Checks, of: string): void {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw invalid(`${of}: options must be an object, not ${describe(options)}`);
  }
  for (const [name, value] of Object.entries(options)) {
    // Own names only: "constructor" is no option.
    const check = Object.hasOwn(checks, name) ? checks[name] : undefined;
    if (check === undefined) {
      const known = Object.keys(checks).join(", ");
      throw invalid(`${of}: there is no option "${name}"; there are ${known}`);
    }
    const reason = value === undefined ? null : check(value);
    if (reason !== null) throw invalid(`${of}: option ${name} ${reason}, not ${describe(value)}`);
  }
}

/** A value as messages show it: short, and never failing. */
export function describe(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "string") return JSON.stringify(value.slice(0, 40));
  if (typeof value === "function") return "a function";
  if (typeof value !== "object") return String(value);
  const type: unknown = value.constructor;
  return typeof type === "function" ? `an object of ${type.name}` : "an object";
}

/** An error that the caller mends in the call. */
export function invalid(text: string, cause?: unknown): PdpmError {
  return new PdpmError("PDPM_INVALID_ARGUMENT", text, { cause });
}
