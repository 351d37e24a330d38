// What tests write down of what they did, for docs/evidence.md: each a line of JSON, added to the
// file that PDPM_EVIDENCE names. Without one they write nothing.
//
// What must hold: counts are written after all that was counted has been checked. A test that
// fails leaves the note of its beginning, and so cannot be overlooked.

import { appendFileSync, readFileSync } from "node:fs";
import type { Design } from "../plants/plant.ts";

/**
 * How clients reached memory. With `auto` they map the memory of a node on their own machine, and
 * go over ws for all else.
 */
export type Transport = "simulated" | "mapped" | "ws" | "auto";

/** Which test files these are, see checks.ts. */
export type CheckName = "deaths" | "torn" | "damaged" | "kills";

/** How often what was done, by its name. */
export type Counts = Readonly<Record<string, number>>;

/** What one test did. */
export interface Note {
  readonly check: CheckName;
  readonly design: Design;
  readonly transport: Transport;
  /** Which test of these it is. */
  readonly part: string;
  readonly seconds: number;
  /** Undefined: it has begun, and not ended well. */
  readonly counts?: Counts;
}

/** Notes what a test did that ended well. */
export type WriteNote = (counts: Counts) => void;

/** Notes that a test begins; it calls what this returns at its end. */
export function beginNote(
  check: CheckName,
  design: Design,
  transport: Transport,
  part: string,
): WriteNote {
  const start = performance.now();
  const of = { check, design, transport, part };
  write({ ...of, seconds: 0 });
  return (counts) => write({ ...of, seconds: (performance.now() - start) / 1000, counts });
}

function write(note: Note): void {
  const file = process.env["PDPM_EVIDENCE"];
  if (file !== undefined) appendFileSync(file, `${JSON.stringify(note)}\n`);
}

/** What a file of notes says: of a test that was run again, the last one. */
export function readNotes(file: string): readonly Note[] {
  const lines = readFileSync(file, "utf8").split("\n");
  const notes = new Map<string, Note>();
  for (const line of lines) {
    if (line === "") continue;
    const note = JSON.parse(line) as Note;
    notes.set([note.check, note.design, note.transport, note.part].join("\n"), note);
  }
  return [...notes.values()];
}
