// Failures of the operating system's file calls, as errors of ours.

import { writeSync } from "node:fs";
import { PdpmError } from "@pdpm/base";

/** True when `error` is the system's with this code. */
export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === code;
}

/** What the system refused: PDPM_NO_SPACE when the disk is full, else PDPM_UNAVAILABLE. */
export function asPdpmError(what: string, error: unknown): PdpmError {
  if (error instanceof PdpmError) return error;
  const full = hasCode(error, "ENOSPC") || hasCode(error, "EDQUOT");
  const text = `${what}: ${error instanceof Error ? error.message : String(error)}`;
  return new PdpmError(full ? "PDPM_NO_SPACE" : "PDPM_UNAVAILABLE", text, { cause: error });
}

/**
 * Writes a note for people at the file's end, if there is room: a lock or a lease holds without it,
 * and a store on a full disk must still open, so that something can be deleted.
 */
export function writeNote(descriptor: number, text: string): void {
  try {
    writeSync(descriptor, text);
  } catch (error) {
    if (!hasCode(error, "ENOSPC") && !hasCode(error, "EDQUOT")) {
      throw asPdpmError("cannot write a note", error);
    }
  }
}
