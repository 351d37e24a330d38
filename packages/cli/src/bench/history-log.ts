// A client's own history, written while it runs, so that whoever kills it learns what it had begun.
//
// Invariant: an operation is posted only after the line that says it has begun was handed to the
// kernel, which outlives this process. So an operation without such a line was never posted, and
// one without a line for its end is unknown. Lines of one turn go in one write.

import { closeSync, openSync, writeSync } from "node:fs";
import { hostNanoseconds } from "@pdpm/base";
import type { OperationKind, OperationOutcome } from "@pdpm/checker";

/** What a client is about to ask for. */
export interface Beginning {
  readonly op: OperationKind;
  readonly key: string;
  readonly ifVersion: number | null;
  /** The value written; null for a get. */
  readonly value: string | null;
}

/** What it was told. */
export interface Ending {
  /** The value read; undefined keeps the one that was to be written. */
  readonly value?: string | null;
  readonly version: number | null;
  readonly outcome: OperationOutcome;
}

/** The two lines of an operation. `id` joins them. Times are nanoseconds since the epoch. */
export interface BegunLine extends Beginning {
  readonly id: number;
  readonly start: number;
}
/** See `BegunLine`. */
export interface EndedLine extends Ending {
  readonly id: number;
  readonly end: number;
}

/** See the head of this file. */
export class HistoryLog {
  readonly #file: number;
  readonly #epoch: bigint;
  #lines: string[] = [];
  #nextId = 0;
  #writing: Promise<void> | undefined;

  constructor(path: string, epoch: bigint) {
    this.#file = openSync(path, "a", 0o600);
    this.#epoch = epoch;
  }

  /** Notes that an operation begins; it may be posted when `written` resolves. @returns its id */
  begin(beginning: Beginning): number {
    const id = this.#nextId;
    this.#nextId += 1;
    const line: BegunLine = { id, ...beginning, start: this.#now() };
    this.#lines.push(JSON.stringify(line));
    return id;
  }

  /** Notes what came of it. */
  end(id: number, ending: Ending): void {
    const line: EndedLine = { id, ...ending, end: this.#now() };
    this.#lines.push(JSON.stringify(line));
  }

  /** Resolves when every line so far is with the kernel. */
  written(): Promise<void> {
    // A microtask later: whatever else begins or ends now goes along.
    this.#writing ??= Promise.resolve().then(() => this.#write());
    return this.#writing;
  }

  /** Writes what is left. */
  close(): void {
    this.#write();
    closeSync(this.#file);
  }

  #now(): number {
    return Number(hostNanoseconds() - this.#epoch);
  }

  #write(): void {
    this.#writing = undefined;
    if (this.#lines.length === 0) return;
    const bytes = Buffer.from(`${this.#lines.join("\n")}\n`);
    this.#lines = [];
    for (let at = 0; at < bytes.length; ) at += writeSync(this.#file, bytes, at);
  }
}
