// The end of a deleted key: its sealed chain is forgotten by the directory, and its buffers are
// free.
//
//   1. The seal is durable (settled by the walk that met it).
//   2. The head marks of the chain are wiped, durably, before any of its buffers may be leased
//      again (H23).
//   3. `forget`: the directory drops the key and raises the floor of its commit numbers in the
//      transaction that frees the buffers; it counts only while the head is the one it names.
// Anyone may do it: the client that deleted, one that met the seal, a reaper.

import { type Key, keyBytes } from "@pdpm/kv";
import type { BufferHeader } from "@pdpm/layout";
import { batchMost, type Forgotten, type ReplyOf } from "@pdpm/metadata-server/protocol";
import type { Protocol } from "@pdpm/verbs";
import { advance, movesOf } from "./advance.ts";
import { change } from "./calls.ts";
import { wipeHeads } from "./head-marks.ts";
import type { Context } from "./session.ts";
import { type Chain, findHeads, walkChains } from "./walk-chains.ts";

/** Tries while others move the heads of chains that are to be forgotten. */
const triesMost = 8;

/** Forgets the chain of `key` if it is sealed. True if this client did. */
export function* forgetChain(context: Context, key: Key): Protocol<boolean> {
  const chains = yield* walkChains(context, yield* findHeads(context, [key]));
  return (yield* forgetChains(context, chains)) > 0;
}

/** Forgets those among `chains` that are sealed. Returns how many this client forgot. */
export function* forgetChains(context: Context, chains: readonly Chain[]): Protocol<number> {
  const { events, retiring } = context.session;
  let forgotten = 0;
  let left = chains;
  for (let tries = 0; tries < triesMost; tries += 1) {
    const sealed: Chain[] = [];
    for (const chain of left) {
      if (chain.state === "sealed") sealed.push(yield* shortened(context, chain));
    }
    if (sealed.length === 0) break;
    yield* wipeHeads(context, sealed.flatMap(buffersOf));
    const replies = yield* forget(context, sealed);
    const again: Key[] = [];
    for (const [i, reply] of replies.entries()) {
      const { key } = sealed[i] as Chain;
      if (reply === "forgotten") forgotten += 1;
      // Somebody moved the head on, or forgot the chain and the key lives anew.
      else if (reply.head !== null) again.push(key);
      retiring.forgotten(key);
    }
    left = yield* walkChains(context, yield* findHeads(context, again));
  }
  events.forgotten += forgotten;
  return forgotten;
}

function buffersOf({ passed, pointer }: Chain): Chain["passed"] {
  return [...passed, pointer];
}

/** Asks for it, so many keys in one request as free `batchMost` buffers, about. */
function* forget(
  context: Context,
  sealed: readonly Chain[],
): Protocol<ReplyOf["forgetMany"][number][]> {
  const replies: ReplyOf["forgetMany"][number][] = [];
  while (replies.length < sealed.length) {
    const keys: Forgotten[] = [];
    let weight = 0;
    for (const chain of sealed.slice(replies.length)) {
      weight += chain.passed.length + 1;
      if (keys.length > 0 && weight > batchMost) break;
      const { key, head, header } = chain;
      const { commitNumber } = header as BufferHeader;
      keys.push({ key: keyBytes(key), head, commitNumber, freed: buffersOf(chain) });
    }
    replies.push(...(yield* change(context, { do: "forgetMany", keys })));
  }
  return replies;
}

/** A chain that is too long to be forgotten at once loses its beginning first. */
function* shortened(context: Context, chain: Chain): Protocol<Chain> {
  const excess = chain.passed.length + 1 - batchMost;
  const head = chain.passed[excess];
  if (excess <= 0 || head === undefined) return chain;
  yield* advance(context, movesOf(chain.key, chain.passed.slice(0, excess), head));
  return { ...chain, head, passed: chain.passed.slice(excess) };
}
