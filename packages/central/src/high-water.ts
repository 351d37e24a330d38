// The high-water mark of commit numbers, in the region header of memory node 0: no number above it
// was ever used, so a repair that lost the directory's floors starts every one of them there (H23).
// Raised durably before a larger number is used, in steps so large that it costs nothing.

import { PdpmError } from "@pdpm/base";
import { addressOf, headerChunk, numberOf, numberWord, wordAt } from "@pdpm/layout";
import { headerWordOffset } from "@pdpm/layout/region-header";
import { compareAndSwap, type Protocol, read, round } from "@pdpm/verbs";
import type { Context } from "./session.ts";

/** Numbers gained by one raise. */
export const highWaterStep: number = 2 ** 20;

/** Returns when `commitNumber` may be used. No round trip but once in a million numbers. */
export function* raiseHighWater(context: Context, commitNumber: number): Protocol<void> {
  const { session } = context;
  const at = addressOf(headerChunk, headerWordOffset.commitHighWater);
  while (session.highWater < commitNumber) {
    const [bytes] = yield* round(read(at, 8));
    const word = wordAt(bytes, 0);
    const mark = numberOf(word);
    if (mark === undefined) {
      throw new PdpmError("PDPM_CORRUPT", 'the high-water mark is damaged; run "pdpm fsck"');
    }
    if (mark >= commitNumber) {
      // Whoever raised it may not have flushed it yet.
      yield* round(...session.flushes(at, 8));
      session.highWater = mark;
      return;
    }
    const raised = Math.ceil(commitNumber / highWaterStep) * highWaterStep;
    const [found] = yield* round(
      compareAndSwap(at, word, numberWord(raised)),
      ...session.flushes(at, 8),
    );
    if (found === word) session.highWater = raised;
  }
}
