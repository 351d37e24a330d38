// What LMDB or its directory failed with, in our words and with what to do about it.
//
// - lmdb-js reports a failed transaction by an error that only leads to the real one. That one is
//   always taken in: left alone, its rejection would end the process.
// - LMDB says "input/output error" for a write that a full disk cut short, so the disk is looked
//   at; and "bad transaction" for whatever comes behind the first failure in one, which is damage.

import { statfsSync } from "node:fs";
import { AssertionError, isPdpmError, PdpmError } from "@pdpm/base";

const noSpace = /ENOSPC|EDQUOT|EFBIG|No space left|quota exceeded|File too large/;
/** A disk with less than this left is full. */
const freeBytesLeast: number = 2 ** 20;

/** The error to report; a defect of ours stays what it is. `outcome` is what became of the call. */
export async function lmdbFailure(
  path: string,
  error: unknown,
  outcome: "not-applied" | "unknown",
): Promise<PdpmError | AssertionError> {
  if (isPdpmError(error) || error instanceof AssertionError) return error;
  const cause = await realCause(error);
  const text = (cause instanceof Error ? cause.message : String(cause)).split("\n")[0] as string;
  if (noSpace.test(text) || (/Input\/output error/.test(text) && isFull(path))) {
    const why = `no space for metadata in ${path}; make room on its disk, then try again`;
    return new PdpmError("PDPM_NO_SPACE", `${why} (${text})`, { cause, outcome });
  }
  if (/MDB_(CORRUPTED|INVALID|PAGE_NOTFOUND|VERSION_MISMATCH|BAD_TXN|PROBLEM)/.test(text)) {
    const why = `the metadata in ${path} is damaged; close the store and restore the directory`;
    return new PdpmError("PDPM_CORRUPT", `${why} from a copy (${text})`, { cause, outcome });
  }
  if (/MDB_PANIC/.test(text)) {
    const why = `writing to ${path} failed; check its disk, then open the store again`;
    return new PdpmError("PDPM_POISONED", `${why} (${text})`, { cause, outcome });
  }
  const why = `the metadata in ${path} cannot be used; this process must be able to write there`;
  return new PdpmError("PDPM_UNAVAILABLE", `${why} (${text})`, { cause, outcome });
}

async function realCause(error: unknown): Promise<unknown> {
  const { commitError } = error as { commitError?: Promise<unknown> };
  if (commitError === undefined) return error;
  return commitError.then(
    () => error,
    (cause: unknown) => cause,
  );
}

function isFull(path: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize < freeBytesLeast;
  } catch {
    return false; // There is no such directory: that is what the error says already.
  }
}
