// Buffers in doubt (H14): the reply of the CAS or `create` that would have linked them was lost.
// The chain says what happened: a buffer that stands in it is live, one that does not, and cannot
// any more, is free.
//
// It cannot any more because the connection that carried the lost verb was fenced before this one
// posted anything, and a change that was lost is refused once its slot has carried a later one.

import type { Protocol } from "@pdpm/verbs";
import { overtakeLost } from "./calls.ts";
import type { Context, Doubt } from "./session.ts";
import { type Chain, chainsPerRound, findHeads, walkChains } from "./walk-chains.ts";

/**
 * Settles every doubt of this session; those whose chains change meanwhile wait for another time.
 */
export function* settleDoubts(context: Context): Protocol<void> {
  const { session } = context;
  // Only those of now: a later one may still take effect after what follows.
  const doubts = [...session.doubts.values()];
  if (doubts.length === 0) return;
  yield* overtakeLost(context);
  for (let first = 0; first < doubts.length; first += chainsPerRound) {
    yield* settleSome(context, doubts.slice(first, first + chainsPerRound));
  }
}

function* settleSome(context: Context, doubts: readonly Doubt[]): Protocol<void> {
  const { session } = context;
  const keys = new Set(doubts.map(({ key }) => key));
  const chains = new Map<string, Chain>();
  for (const chain of yield* walkChains(context, yield* findHeads(context, [...keys]))) {
    chains.set(chain.key, chain);
  }
  for (const { key, pointer, sizeClass } of doubts) {
    const chain = chains.get(key);
    const isLinked = chain === undefined ? false : isInChain(chain, pointer);
    // Another turn of settling may have been faster.
    if (isLinked === undefined || !session.doubts.delete(pointer)) continue;
    session.pool.used(sizeClass, pointer, !isLinked);
    session.cursors.delete(key);
  }
}

/** Whether `pointer` is part of its key's chain; undefined: the chain changed under the walk. */
export function isInChain(chain: Chain, pointer: Chain["pointer"]): boolean | undefined {
  if (chain.passed.includes(pointer)) return true;
  if (chain.state === "broken") return undefined;
  return chain.pointer === pointer;
}
