// One commit of the LMDB store: blocks of nested conditions with the writes innermost, which lmdb's
// writer thread evaluates in one transaction. No transaction is open while JavaScript runs: nothing
// of the commit reaches the writer before its last instruction is written.
//
// - A condition takes JavaScript's stack, so only so many are nested. Of a larger commit each group
//   of conditions guards a *gate*, a record with a version of its own; the writes then stand behind
//   all gates. The gates are gone at the end of the same transaction: nobody ever sees one.
// - lmdb reports for a block whether its own condition held, so all reports together count.
// - Values are copied first: the writer reads them later, on its own thread.

import { assert } from "@pdpm/base";
import type { RootDatabase } from "lmdb";
import type { Expected, StoreKey, Writes } from "./store.ts";

/** An environment of LMDB, with values in bytes. */
export type Database = RootDatabase<Buffer, StoreKey>;

/** The longest key of a record. LMDB's own limit is 1,978 bytes with pages of 4,096. */
export const keyBytesMost = 1100;
/** Conditions nested in one another at most: 1,500 of them would use up the stack. */
const nestedMost = 512;
const gatePrefix = "\0gate/";
const empty: Buffer = Buffer.alloc(0);

type Condition = readonly [key: StoreKey, version: number];

/** How lmdb writes and reads keys: a byte per character. */
export const keyEncoder = {
  writeKey(key: StoreKey, to: Buffer, start: number): number {
    const end = start + key.length;
    // lmdb takes another buffer then.
    if (end > to.length) throw new RangeError("no room for a key");
    for (let i = 0; i < key.length; i += 1) to[start + i] = key.charCodeAt(i);
    return end;
  },
  readKey: (from: Buffer, start: number, end: number): StoreKey =>
    from.toString("latin1", start, end),
};

/** Claims that LMDB can carry the key. */
export function checkKey(key: StoreKey): void {
  assert(key.length > 0, "a record's key is not empty");
  assert(key.length <= keyBytesMost, "a record's key is too long");
  assert(!key.startsWith(gatePrefix), "a record's key is that of a gate");
  for (let i = 0; i < key.length; i += 1) {
    assert(key.charCodeAt(i) <= 0xff, "a record's key has a character that is no byte");
  }
}

/** A commit with all that it needs, in bytes of its own. */
export interface PreparedCommit {
  readonly conditions: readonly Condition[];
  readonly changes: readonly (readonly [key: StoreKey, value: Buffer | undefined])[];
}

/** What may be wrong with the arguments shows here, before lmdb has heard of the commit. */
export function prepareCommit(expected: Expected, writes: Writes): PreparedCommit {
  const changes: [StoreKey, Buffer | undefined][] = [];
  for (const key of expected.keys()) checkKey(key);
  for (const [key, value] of writes) {
    if (!expected.has(key)) checkKey(key);
    changes.push([key, value && Buffer.from(value)]);
  }
  return { conditions: [...expected], changes };
}

/**
 * Commits. `newVersion` makes a version that no record ever had.
 * @returns whether every expected version held. Rejects with lmdb's error.
 */
export async function commitTo(
  database: Database,
  { conditions, changes }: PreparedCommit,
  newVersion: () => number,
): Promise<boolean> {
  const reports: Promise<boolean>[] = [];
  const gates: Condition[] = [];
  const build = (): void => {
    if (conditions.length > nestedMost) {
      for (let first = 0; first < conditions.length; first += nestedMost) {
        const gate = [`${gatePrefix}${first}`, newVersion()] as const;
        const group = conditions.slice(first, first + nestedMost);
        behind(database, group, reports, () => void database.put(gate[0], empty, gate[1]));
        gates.push(gate);
      }
    }
    behind(database, gates.length > 0 ? gates : conditions, reports, () => {
      for (const [key, value] of changes) {
        if (value === undefined) void database.remove(key);
        else void database.put(key, value, newVersion());
      }
    });
    for (const [gate] of gates) void database.remove(gate);
  };
  reports.push(database.batch(build));
  return (await Promise.all(reports)).every((isTrue) => isTrue);
}

/** Writes instructions that are carried out only if every condition holds. */
function behind(
  database: Database,
  conditions: readonly Condition[],
  reports: Promise<boolean>[],
  then: () => void,
): void {
  assert(conditions.length <= nestedMost, `${conditions.length} conditions are too many to nest`);
  let depth = 0;
  const next = (): void => {
    const condition = conditions[depth];
    depth += 1;
    if (condition === undefined) {
      then();
      return;
    }
    const [key, version] = condition;
    reports.push(
      version === 0 ? database.ifNoExists(key, next) : database.ifVersion(key, version, next),
    );
  };
  next();
}
