// Reports superseded versions to the metadata service, which moves the keys' heads and frees them
// (advance.ts), and has it forget sealed chains (forget.ts).
//
// What this client noted in its queue is reported as it is. A head that is not what we thought, or
// a key that others wrote to in between: the chain is walked from its head, together with all
// others of that kind. What the queue does not know, because the client that did died, a full
// collection finds.

import { type Key, Patience } from "@pdpm/kv";
import { headMarkOf } from "@pdpm/layout";
import type { Move } from "@pdpm/metadata-server/protocol";
import type { Protocol } from "@pdpm/verbs";
import { advance, movesOf } from "./advance.ts";
import { forgetChains } from "./forget.ts";
import { markHeads } from "./head-marks.ts";
import type { Reported } from "./retire-queue.ts";
import type { Context } from "./session.ts";
import {
  type Chain,
  type ChainStart,
  chainsPerRound,
  findHeads,
  walkChains,
} from "./walk-chains.ts";

/** Keys of one turn whose chains are walked although this client did not supersede anything. */
const walkedMost = 256;

/**
 * Reports one batch, and walks what is to be walked; after the report that is under way, if one is.
 * True if anything was freed.
 */
export function* retireSome(context: Context, which: Reported): Protocol<boolean> {
  const { retiring } = context.session;
  const patience = new Patience(context);
  while (retiring.isBusy) yield* patience.wait("replaced versions are being reported");
  retiring.isBusy = true;
  try {
    return yield* report(context, which);
  } finally {
    retiring.isBusy = false;
  }
}

function* report(context: Context, which: Reported): Protocol<boolean> {
  const { retiring } = context.session;
  const toWalk = new Set<Key>(retiring.takeToWalk(walkedMost));
  const superseded = retiring.takeSuperseded(which);
  try {
    const moves: Move[] = [];
    for (const { key, freed, next, hasGaps } of superseded) {
      if (hasGaps) toWalk.add(key);
      else moves.push(...movesOf(key, freed, next));
    }
    const { freed, refused } = yield* advance(context, moves);
    for (const key of refused) toWalk.add(key);
    const hasSwept = yield* sweepKeys(context, [...toWalk]);
    return freed > 0 || hasSwept;
  } catch (error) {
    retiring.failed(toWalk);
    retiring.failed(superseded.map(({ key }) => key));
    throw error;
  }
}

/**
 * Reports everything that is in the queue by now. What comes meanwhile waits: under load there
 * would be no end (H12). True if anything was freed.
 */
export function* retireAll(context: Context): Protocol<boolean> {
  const { retiring } = context.session;
  let freed = false;
  for (let left = retiring.reports(walkedMost); left > 0 && !retiring.isEmpty; left -= 1) {
    if (yield* retireSome(context, "any")) freed = true;
  }
  return freed;
}

/** Frees whatever is superseded or sealed in the chains of these keys. True if anything was. */
export function* sweepKeys(context: Context, keys: readonly Key[]): Protocol<boolean> {
  let freed = false;
  for (let first = 0; first < keys.length; first += chainsPerRound) {
    const starts = yield* findHeads(context, keys.slice(first, first + chainsPerRound));
    if (yield* sweepChains(context, starts)) freed = true;
  }
  return freed;
}

/** The same for chains whose heads are known; `chainsPerRound` at most. */
export function* sweepChains(context: Context, starts: readonly ChainStart[]): Protocol<boolean> {
  const chains = yield* walkChains(context, starts);
  const ending = chains.filter(({ state }) => state === "end");
  const moves = ending
    .filter(({ passed }) => passed.length > 0)
    .flatMap(({ key, passed, pointer }) => movesOf(key, passed, pointer));
  const { freed } = yield* advance(context, moves);
  // A client that died right after its insert left the head without a mark.
  yield* markHeads(
    context,
    ending.filter(isUnmarkedHead).map(({ head }) => head),
  );
  return (yield* forgetChains(context, chains)) > 0 || freed > 0;
}

function isUnmarkedHead({ head, pointer, header }: Chain): boolean {
  return head === pointer && header?.headMark !== headMarkOf(head);
}
