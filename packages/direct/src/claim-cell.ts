// Takes a free cell of a size class: by CAS on the cell's own state word, so no server and no list
// has to agree. The incarnation grows with every claim, so whatever pointed to the cell's last life
// is void.

import { type Address, bucketClass, CellState, slotClassCount, stateWord } from "@pdpm/layout";
import type { Protocol } from "@pdpm/verbs";
import { Hold, take } from "./holds.ts";
import type { Context } from "./session.ts";

/** A cell that is ours: claimed, reachable by nobody. */
export interface ClaimedCell {
  readonly cell: Address;
  readonly sizeClass: number;
  readonly incarnation: number;
  readonly hold: Hold;
}

/** No cell was to be had: let go of everything, make space (make-space.ts), and try again. */
export class Starving {
  readonly sizeClass: number;

  constructor(sizeClass: number) {
    this.sizeClass = sizeClass;
  }
}

/**
 * Claims a cell of `sizeClass`, or, when the store cannot grow any more, of a larger slot class.
 */
export function* claimCell(context: Context, sizeClass: number): Protocol<ClaimedCell | Starving> {
  const { pool } = context.session;
  const exact = yield* claimSeen(context, sizeClass);
  if (exact !== undefined) return exact;
  if (sizeClass !== bucketClass && pool.mayTakeLarger(sizeClass)) {
    for (let larger = sizeClass + 1; larger < slotClassCount; larger += 1) {
      const cell = yield* claimSeen(context, larger);
      if (cell !== undefined) return cell;
    }
  }
  return new Starving(sizeClass);
}

/** A cell that was seen to be free, looking on until every chunk of the class is known full. */
function* claimSeen(context: Context, sizeClass: number): Protocol<ClaimedCell | undefined> {
  const { pool } = context.session;
  for (;;) {
    const seen = pool.take(sizeClass);
    if (seen === undefined) {
      if (yield* pool.look(sizeClass)) continue;
      return undefined;
    }
    const claimed = yield* claim(context, sizeClass, seen.cell, seen.incarnation);
    if (claimed !== undefined) return claimed;
  }
}

function* claim(
  context: Context,
  sizeClass: number,
  cell: Address,
  lastIncarnation: number,
): Protocol<ClaimedCell | undefined> {
  const { session } = context;
  if (session.held.has(cell)) return undefined;
  const incarnation = lastIncarnation + 1;
  const free = stateWord(CellState.free, lastIncarnation, 0);
  const mine = session.myWord(CellState.claimed, incarnation);
  const [found] = yield* take(context, cell, free, mine);
  if (found !== free) return undefined;
  const hold = new Hold(cell, mine, stateWord(CellState.free, incarnation, 0));
  return { cell, sizeClass, incarnation, hold };
}
