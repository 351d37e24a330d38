// The invariants of a store that nobody works on, each a function of its account: I5, I8 and I9.
// An account is in terms that the three designs share, whoever drew it up: an audit in a
// simulation, one behind killed processes, or fsck.

import type { Breach, InvariantId } from "@pdpm/base";

/** What an audit found of a store at rest. */
export interface StoreAccount {
  /** What it found wrong at some place, by the invariant that it breaks. */
  readonly problems: readonly Breach[];
  /** Keys that the index names. */
  readonly keys: number;
  /** Cells (Direct) or buffers (Clover, Central) that are neither free, nor leased, nor spent. */
  readonly cellsLive: number;
  /** Those of them that carry a part of the index, such as overflow buckets. */
  readonly cellsOfIndex: number;
  /** Cells that are leased, claimed, or written and reachable by nobody. */
  readonly cellsUncommitted: number;
  /** Clients that hold a cell, a lock or a root word. */
  readonly heldBy: readonly number[];
  /** Clients that are on record, beside whoever drew up the account and servers. */
  readonly clientsLeft: readonly number[];
}

function problemsOf({ problems }: StoreAccount, id: InvariantId): Breach[] {
  return problems.filter(({ invariant }) => invariant === id);
}

/** I5: what the index leads to carries a checksum that agrees. */
export function liveVerifies(account: StoreAccount): Breach[] {
  return problemsOf(account, "I5");
}

/**
 * I8: every cell is live, free or spent, and never two of these; nobody holds one; and there is
 * one live cell a key, beside those of the index.
 */
export function spaceIsExact(account: StoreAccount): Breach[] {
  const { keys, cellsLive, cellsOfIndex, cellsUncommitted, heldBy, clientsLeft } = account;
  const texts: string[] = [];
  if (cellsUncommitted > 0) texts.push(`${cellsUncommitted} cells belong to no key`);
  if (heldBy.length > 0) texts.push(`something is held by clients ${heldBy.join(", ")}`);
  if (clientsLeft.length > 0) texts.push(`clients ${clientsLeft.join(", ")} are still on record`);
  if (cellsLive !== keys + cellsOfIndex) {
    texts.push(`${cellsLive} live cells for ${keys} keys and ${cellsOfIndex} cells of the index`);
  }
  const exact = texts.map((text) => ({ invariant: "I8" as const, text }));
  return [...problemsOf(account, "I8"), ...exact];
}

/**
 * I9: what the index names is there, of that key and its newest; a repair from the data alone
 * would find the same.
 */
export function indexAndDataAgree(account: StoreAccount): Breach[] {
  return problemsOf(account, "I9");
}

/** I12 of a store: no version is above what its numbers go on from, and no life begins anew. */
export function numbersOnlyGrow(account: StoreAccount): Breach[] {
  return problemsOf(account, "I12");
}

/** All of them. */
export function storeBreaches(account: StoreAccount): Breach[] {
  return [
    indexAndDataAgree(account),
    liveVerifies(account),
    spaceIsExact(account),
    numbersOnlyGrow(account),
  ].flat();
}
