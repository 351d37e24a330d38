// Repairs the root words, when everybody is dead, and the lease records.

import {
  leaseFields,
  leaseRecordBytes,
  leaseRecordCount,
  numberOf,
  numberWord,
  rootWords,
} from "@pdpm/layout";
import type { Protocol } from "@pdpm/verbs";
import { readTableWords } from "./audit-root.ts";
import type { Problem } from "./findings.ts";
import type { Mender } from "./mender.ts";

/** A generation that was lost begins again this far above what anybody acknowledged. */
const generationStep = 2 ** 20;

/** Makes a damaged lock, count or generation of the chunk table whole. */
export function* mendRootWord(mender: Mender, { entry: at = 0, text }: Problem): Protocol<void> {
  const { session } = mender;
  // Like a leftover of our own: taking it back finishes what its holder left.
  if (at === rootWords.tableLock) yield* mender.set(at, session.lockWord);
  else if (at === rootWords.tableCount) {
    const numbers = [...(yield* readTableWords(session)).keys()];
    yield* mender.set(at, numberWord(Math.max(0, ...numbers.map((chunk) => chunk + 1))));
  } else {
    yield* mender.set(at, numberWord((yield* highestAcknowledged(mender)) + generationStep));
  }
  mender.repaired.push(`${text}: derived anew`);
}

function* highestAcknowledged(mender: Mender): Protocol<number> {
  let highest = 0;
  for (let i = 0; i < leaseRecordCount; i += 1) {
    const at = mender.session.geometry.leaseRecord(i) + leaseFields.acknowledged;
    highest = Math.max(highest, numberOf(yield* mender.word(at)) ?? 0);
  }
  return highest;
}

/** Clears a damaged lease record: what its client held is found without it. */
export function* mendLease(mender: Mender, { entry: at = 0, text }: Problem): Protocol<void> {
  yield* mender.write(at, new Uint8Array(leaseRecordBytes));
  mender.repaired.push(`${text}: cleared`);
}
