// What all repairs share: the audit that they go by, the words that they change, the sentences in
// which they say what they did. Everything here supposes that nobody else posts verbs.
//
// - Every change is a compare-and-swap of the word that was read, flushed before the next one.
// - A cell becomes free last, when nothing names it any more and the floor is above its number.

import { PdpmError } from "@pdpm/base";
import {
  type Address,
  addressText,
  bucketFields,
  CellState,
  chunkOf,
  decodeState,
  numberOf,
  numberWord,
  stateWord,
  wordAt,
} from "@pdpm/layout";
import { compareAndSwap, flush, type Protocol, read, round, write } from "@pdpm/verbs";
import type { AuditReport } from "./audit.ts";
import { corrupt } from "./damage.ts";
import type { Context, Session } from "./session.ts";
import { copyAt, readWhole, uncommittedOffset } from "./slot-copies.ts";
import { committedOffset } from "./slot-view.ts";

/** A floor that was lost begins again this far above every number in the store. */
export const floorStep: number = 2 ** 32;

/** One repair. */
export class Mender {
  readonly context: Context;
  /** What was done, and what is lost, in sentences. */
  readonly repaired: string[] = [];
  readonly lost: string[] = [];
  /** The audit that the present pass goes by. */
  report: AuditReport;
  changes = 0;

  constructor(context: Context, report: AuditReport) {
    this.context = context;
    this.report = report;
  }

  get session(): Session {
    return this.context.session;
  }

  /** The size class of a cell in a chunk in use. */
  classOf(cell: Address): number {
    const entry = this.session.table.entry(chunkOf(cell));
    if (entry === undefined) throw corrupt(`no chunk carries cell ${addressText(cell)}`);
    return entry.sizeClass;
  }

  *word(at: Address): Protocol<bigint> {
    const [bytes] = yield* round(read(at, 8));
    return wordAt(bytes, 0);
  }

  /** Makes `word` stand at `at`, durably. */
  *set(at: Address, word: bigint): Protocol<void> {
    const before = yield* this.word(at);
    const [found] = yield* round(compareAndSwap(at, before, word), flush(at, 8));
    if (found !== before) {
      throw new PdpmError("PDPM_IN_USE", "somebody changed the store while it was repaired");
    }
    this.changes += 1;
  }

  /** Makes `bytes` stand at `at`, durably. */
  *write(at: Address, bytes: Uint8Array): Protocol<void> {
    yield* round(write(at, bytes), flush(at, bytes.length));
    this.changes += 1;
  }

  /** A floor that is above every number that was ever given out, as far as one can tell. */
  get floorBeyond(): bigint {
    const number = this.report.highestNumber + floorStep;
    if (!Number.isSafeInteger(number)) throw corrupt("there is no number left to be a floor");
    return numberWord(number);
  }

  /** Raises the floor of a bucket to a lost key's number, or beyond all if that is unknown. */
  *raiseFloor(home: Address, number: number | undefined): Protocol<void> {
    const at = home + bucketFields.floor;
    const floor = numberOf(yield* this.word(at));
    if (number === undefined || floor === undefined) yield* this.set(at, this.floorBeyond);
    else if (floor < number) yield* this.set(at, numberWord(number));
  }

  /**
   * Frees a cell that nothing names. Where its word does not say how many lives it had, no copy in
   * it may pass for one of its next life.
   */
  *free(cell: Address): Protocol<void> {
    let lives = decodeState(yield* this.word(cell))?.incarnation;
    if (lives === undefined) {
      const sizeClass = this.classOf(cell);
      const view = yield* readWhole(cell, sizeClass);
      const offsets = [committedOffset, uncommittedOffset(sizeClass)];
      lives = Math.max(0, ...offsets.map((offset) => copyAt(view, offset)?.incarnation ?? 0));
    }
    yield* this.set(cell, stateWord(CellState.free, lives, 0));
  }
}
