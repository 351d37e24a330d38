// Moves the heads of chains on: what is superseded becomes free.
//
//   1. The version that becomes the head is marked as head, durably, before the old head may be
//      leased again (H23). Its link is durable already: whoever reports it saw to that.
//   2. `advance`: head and freed buffers in one conditional transaction of the service.
//
// Wrong or late reports do no harm: a move counts only while the key's head is the one it names,
// and the chain behind a head never changes.

import { assert } from "@pdpm/base";
import { type Key, keyBytes, toKey } from "@pdpm/kv";
import type { Pointer } from "@pdpm/layout";
import { batchMost, type Move } from "@pdpm/metadata-server/protocol";
import type { Protocol } from "@pdpm/verbs";
import { change } from "./calls.ts";
import { markHeads } from "./head-marks.ts";
import type { Context } from "./session.ts";
import { leadPast } from "./shortcut-cells.ts";

/** What became of a list of moves. */
export interface Advanced {
  /** Versions freed. */
  readonly freed: number;
  /** Keys whose head was another one than the move said; once each. */
  readonly refused: ReadonlySet<Key>;
}

/**
 * The moves that free `superseded`, the versions of a key's chain from its head on, in chain order,
 * and make `next`, the version behind them, the head. A long chain is freed in several moves.
 */
export function movesOf(key: Key, superseded: readonly Pointer[], next: Pointer): Move[] {
  assert(superseded.length > 0, "a move frees something");
  const moves: Move[] = [];
  for (let first = 0; first < superseded.length; first += batchMost) {
    const freed = superseded.slice(first, first + batchMost);
    const behind = superseded[first + batchMost] ?? next;
    moves.push({ key: keyBytes(key), head: freed[0] as Pointer, next: behind, freed });
  }
  return moves;
}

/** Marks and moves, as many as one request carries at a time. */
export function* advance(context: Context, moves: readonly Move[]): Protocol<Advanced> {
  const refused = new Set<Key>();
  let freed = 0;
  for (const some of portionsOf(moves)) {
    const isMarked = yield* markHeads(
      context,
      some.map(({ next }) => next),
    );
    // A version that was collected or sealed meanwhile is nobody's head: others knew more.
    const marked = some.filter((_, i) => isMarked[i]);
    if (marked.length === 0) continue;
    const replies = yield* change(context, { do: "advance", moves: marked });
    const moved: Move[] = [];
    for (const [i, reply] of replies.entries()) {
      const move = marked[i] as Move;
      if (reply === "moved") {
        freed += move.freed.length;
        moved.push(move);
        context.session.retiring.begins(toKey(move.key), move.next);
      } else if (reply.head !== null) refused.add(toKey(move.key));
    }
    yield* leadPast(context, moved);
  }
  context.session.events.retired += freed;
  return { freed, refused };
}

/**
 * About as many moves and freed versions as one request carries. The more they are, the more often
 * two of them free buffers of one span, which are one record.
 */
const portionWeight = 16_384;

/** Moves that together weigh about `portionWeight`. */
export function portionsOf(moves: readonly Move[]): Move[][] {
  const portions: Move[][] = [];
  let weight = 0;
  for (const move of moves) {
    const portion = portions.at(-1);
    weight += 1 + move.freed.length;
    if (portion !== undefined && weight <= portionWeight && portion.length < batchMost) {
      portion.push(move);
    } else {
      portions.push([move]);
      weight = 1 + move.freed.length;
    }
  }
  return portions;
}
