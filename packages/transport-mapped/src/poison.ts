// A failed flush poisons its region (design H18). The kernel reports a failed write-back once, to
// one process, and then calls the lost pages clean: a second flush would succeed and prove nothing.
// So:
// - the header's word `poisoned` is set before the failure is reported to anyone;
// - a flush that returned well is believed only if the word is still 0 afterwards;
// - a poisoned region answers no verb until it was checked and the word cleared;
// - a flush is never retried.

import { PdpmError } from "@pdpm/base";
import type { HeaderWords } from "./header-words.ts";
import { type CallFailure, errno } from "./libc.ts";

/** The error of every verb on a poisoned region. `reason` is an error number of the kernel. */
export function poisonedError(reason: bigint | number): PdpmError {
  const text = `a flush of this region failed (error ${reason}): close it and run fsck --repair`;
  return new PdpmError("PDPM_POISONED", text, { outcome: "unknown" });
}

/** Marks the region and returns the error to report. The first failure's reason stays. */
export function poison(header: HeaderWords, failure: CallFailure): PdpmError {
  header.compareAndSwap("poisoned", 0n, BigInt(failure.errno === 0 ? errno.EIO : failure.errno));
  const text = `${failure.text}; nothing of this region is believed until fsck --repair checked it`;
  return new PdpmError("PDPM_POISONED", text, { outcome: "unknown" });
}

/** @throws PDPM_POISONED when any process marked the region. */
export function refusePoisoned(header: HeaderWords): void {
  const reason = header.load("poisoned");
  if (reason !== 0n) throw poisonedError(reason);
}
