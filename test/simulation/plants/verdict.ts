// Which invariant a failing seed breaks, by name. What is none of ours, such as a TypeError, is a
// crash of the simulation and says nothing about the store.

import { isPdpmError } from "@pdpm/base";

/** What a seed failed by. */
export interface Verdict {
  /** See `invariants`; or an assertion of the production code, or an error that may not be. */
  readonly invariant: string;
  /** False: the simulation itself broke. */
  readonly isCatch: boolean;
  readonly message: string;
}

/**
 * Names of the invariants that the end of a seed is held against, in the order in which they are
 * looked for in what failed. Numbers are those of the list of invariants, I1 to I12.
 */
const invariants: readonly (readonly [RegExp, string])[] = [
  [/^a repair would find what cannot be/, "I9 a repair finds what clients could see"],
  [/^not linearizable.*(which was deleted|came back|deleted twice)/, "I3 no deleted value returns"],
  [/^not linearizable.*was missing although/, "I2 no acknowledged write is lost"],
  [
    /^not linearizable.*(no write|was written|was read as|was read, but)/,
    "I4 values are written ones",
  ],
  [
    /^not linearizable.*(two writes have|right behind|was created)/,
    "I12 versions are distinct and grow",
  ],
  [/^not linearizable.*(was seen|went back)/, "I1 reads never go back"],
  [/^not linearizable/, "I1 linearizable"],
  [/^keys\(\) from/, "I1 keys() names what is there"],
  [/^a value was read that nobody wrote/, "I4 values are written ones"],
  [/begin anew$/, "lives and numbers only grow"],
  [/above the high-water mark/, "lives and numbers only grow"],
  [/a repair would|have the number|head mark/, "I9 a repair finds what clients see"],
  [/^filler .* is lost/, "I2 no acknowledged write is lost"],
  [/does not verify|is a version of|is not the end of its chain/, "I5 what is live verifies"],
  [/two things at once|is free, or two keys' head/, "I8 a buffer is one thing"],
  [/no valid cell$|is live and not taken$/, "I9 directory and memory agree"],
  [/is leased|belongs to client|is taken, but|is queued at|has \d+ spans/, "I8 space is exact"],
  [/claimed by nobody|live cells for|held by clients|owes buffers|leaks/, "I8 space is exact"],
  [/superseded cells|the service still knows|lease records are left/, "I8 space is exact"],
  [/^nobody gets on|does not end$/, "I7 everything ends"],
  [/^client \d+ (could not settle|still holds|is not dead)/, "I7 everything ends"],
];

/** Invariants that an error breaks which the world of a seed gives no reason for. */
const numbers: Readonly<Record<string, string>> = {
  PDPM_BUSY: "I7 ",
  PDPM_TIMEOUT: "I7 ",
  PDPM_CORRUPT: "I9 ",
};

/** What `error`, thrown by a seed, says. */
export function verdictOf(error: unknown): Verdict {
  const message = error instanceof Error ? error.message : String(error);
  if (isPdpmError(error)) {
    const number = numbers[error.code] ?? "";
    return { invariant: `${number}no operation ends with ${error.code}`, isCatch: true, message };
  }
  if (!(error instanceof Error) || error.name !== "AssertionError") {
    const name = error instanceof Error ? error.name : typeof error;
    return { invariant: `crash: ${name}`, isCatch: false, message };
  }
  const first = message.split("\n")[0] as string;
  const named =
    invariants.find(([pattern]) => pattern.test(first)) ??
    invariants.find(([pattern]) => pattern.test(message));
  if (named !== undefined) return { invariant: named[1], isCatch: true, message };
  if (/^undecided/.test(message)) return { invariant: "undecided", isCatch: false, message };
  const text = first.replace(/\d+/g, "N").slice(0, 60);
  return { invariant: `assertion: ${text}`, isCatch: true, message };
}
