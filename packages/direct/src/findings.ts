// What an audit gathers while it reads a store: what is wrong, what names what, and who holds what.

import type { InvariantId } from "@pdpm/base";
import type { Key } from "@pdpm/kv";
import type { Address } from "@pdpm/layout";

/** Everything that can be wrong, what stands on the others first: repair goes in this order. */
export const problemKinds = [
  /** A root word is damaged. `entry` is its address. */
  "root-word",
  /** The table word of a chunk is damaged, or the chunk is being retired by nobody. */
  "table-word",
  /** A lease record is damaged. `entry` is its address. */
  "lease-record",
  /** A word of a bucket that is no entry is damaged. `entry` is its address. */
  "bucket-word",
  /** A live overflow bucket that no chain leads to. */
  "lost-bucket",
  /** An entry word is damaged. */
  "entry-word",
  /** The state word of a cell is damaged. */
  "state-word",
  /** The committed copy of a named slot does not verify. */
  "copy",
  /** A named slot that nobody holds and that is not live. */
  "not-live",
  /** An entry names what it must not: no cell, another bucket's key, a key or a cell twice. */
  "misnamed",
  /** A live slot that no bucket names. */
  "unnamed",
  /** A cell that nobody holds and that is neither free nor live. */
  "stray",
] as const;
/** One of them. */
export type ProblemKind = (typeof problemKinds)[number];

/** The invariant that each of them breaks; a word that is damaged is no whole copy of a word. */
const broken: Readonly<Record<ProblemKind, InvariantId>> = {
  "root-word": "I5",
  "table-word": "I5",
  "lease-record": "I5",
  "bucket-word": "I5",
  "lost-bucket": "I8",
  "entry-word": "I5",
  "state-word": "I5",
  copy: "I5",
  "not-live": "I9",
  misnamed: "I9",
  unnamed: "I8",
  stray: "I8",
};

/** Where a problem is, as far as that is known. */
export interface ProblemPlace {
  readonly cell?: Address | undefined;
  /** Address of the word that is damaged, or that names the cell. */
  readonly entry?: Address | undefined;
  /** The home bucket. */
  readonly home?: Address | undefined;
  /** The key whose value is concerned. */
  readonly key?: Key | undefined;
}

/** One thing that is wrong. As text it is its sentence. */
export class Problem implements ProblemPlace {
  readonly kind: ProblemKind;
  /** A sentence that names the key, if that can be read, and the place. */
  readonly text: string;
  readonly cell: Address | undefined;
  readonly entry: Address | undefined;
  readonly home: Address | undefined;
  readonly key: Key | undefined;

  constructor(kind: ProblemKind, text: string, place: ProblemPlace) {
    this.kind = kind;
    this.text = text;
    this.cell = place.cell;
    this.entry = place.entry;
    this.home = place.home;
    this.key = place.key;
  }

  get invariant(): InvariantId {
    return broken[this.kind];
  }

  toString(): string {
    return this.text;
  }
}

/** A lock or state word with a client's id in it. */
export interface HeldWord {
  readonly owner: number;
  /** The word that names the cell, and the home bucket that leads there; undefined for others. */
  readonly entry: Address | undefined;
  readonly home: Address | undefined;
}

/** More is not noted: what is repaired makes room, and the next audit finds the rest. */
const problemsMost = 100_000;

/** One audit in the making. */
export class Findings {
  readonly problems: Problem[] = [];
  /** Cell -> the word that names it: an entry, or the `next` of a bucket. */
  readonly named: Map<Address, Address> = new Map<Address, Address>();
  readonly held: Map<Address, HeldWord> = new Map<Address, HeldWord>();
  keys = 0;
  overflowBuckets = 0;
  /** The highest commit number or floor that was seen. */
  highestNumber = 0;

  note(kind: ProblemKind, text: string, place: ProblemPlace): void {
    if (this.problems.length < problemsMost) this.problems.push(new Problem(kind, text, place));
  }

  /** Notes a word that `owner` holds; where it is named is known to whoever notes it first. */
  hold(address: Address, owner: number, entry?: Address, home?: Address): void {
    if (!this.held.has(address)) this.held.set(address, { owner, entry, home });
  }

  sawNumber(number: number): void {
    if (number > this.highestNumber) this.highestNumber = number;
  }
}
