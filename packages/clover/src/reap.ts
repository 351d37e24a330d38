// Taking back what a dead client held. It can post nothing any more: it was fenced at every node
// before this begins (H6). Every buffer leased to it is settled by its key's chain (H9): one that
// stands in it is live, any other is free.
//
//   1. The dead client is marked so: the service makes no change for it from now on.
//   2. Per leased span: headers and keys are read, the chains of those keys walked.
//   3. What is superseded in those chains is freed, and unmarked heads are marked: the dead client
//      may have had no time for either.
//   4. `settle`: the lease of the span ends.
//   5. `bury`: it owes nothing any more, and is forgotten.
//
// Every step may be done again, also by two reapers at once: a lease ends once, and between its
// owner's death and its end nothing in its span is handed out. So a reaper may die anywhere.

import { PdpmError } from "@pdpm/base";
import { type Key, Patience } from "@pdpm/kv";
import type { Address, Pointer } from "@pdpm/layout";
import { bitmapBytes, type ReturnedPart, type SpanPart } from "@pdpm/metadata-server/protocol";
import type { Protocol } from "@pdpm/verbs";
import { addressesIn, markIn, nextLife } from "./buffer-pool.ts";
import { ask, change } from "./calls.ts";
import { isInChain } from "./doubts.ts";
import { markHeads } from "./head-marks.ts";
import { sweepKeys } from "./retire.ts";
import type { Context } from "./session.ts";
import { readStoredVersions, type StoredVersion } from "./stored-versions.ts";
import { type Chain, chainsPerRound, findHeads, walkChains } from "./walk-chains.ts";

/** Looks at chains that change under the walk, before their buffers are left as they are. */
const looksMost = 16;

/** Takes back everything of `dead`. */
export function* reapClient(context: Context, dead: number): Protocol<void> {
  yield* change(context, { do: "markDead", dead });
  const patience = new Patience(context);
  for (;;) {
    for (const part of yield* ask(context, { ask: "leases", client: dead })) {
      const spans = [yield* judgePart(context, part)];
      yield* change(context, { do: "settle", dead, spans });
      context.session.events.recoveries += 1;
    }
    if ((yield* change(context, { do: "bury", dead })) === "buried") return;
    yield* patience.wait(`client ${dead} still owes buffers`);
  }
}

/** Which of a span's leased buffers are free, or used up; the others are live. */
function* judgePart(context: Context, part: SpanPart): Protocol<ReturnedPart> {
  const { table } = context.session;
  if (table.entry(part.chunk) === undefined) yield* table.load(context);
  const entry = table.entry(part.chunk);
  if (entry === undefined) {
    const text = `chunk ${part.chunk} has leased buffers, but the chunk table does not have it`;
    throw new PdpmError("PDPM_CORRUPT", `${text}; run "pdpm fsck"`);
  }
  const { sizeClass } = entry;
  const bitmap = new Uint8Array(bitmapBytes);
  const spent = new Uint8Array(bitmapBytes);
  const stored = yield* readStoredVersions(context, addressesIn(part, sizeClass));
  const live = yield* liveAmong(context, stored);
  for (const { address, selfWord } of stored) {
    if (live.has(address)) continue;
    const isSpent = nextLife(address, selfWord) === "spent";
    markIn(isSpent ? spent : bitmap, sizeClass, address);
  }
  return { chunk: part.chunk, span: part.span, bitmap, spent };
}

/** Those that stand in their keys' chains; the chains are left short, with their heads marked. */
function* liveAmong(
  context: Context,
  stored: readonly StoredVersion[],
): Protocol<ReadonlySet<Address>> {
  const live = new Set<Address>();
  const keys = new Set<Key>();
  let unsure = stored.filter(({ version }) => version !== undefined);
  const patience = new Patience(context);
  for (let looks = 0; unsure.length > 0; looks += 1) {
    if (looks > 0) yield* patience.wait("the chains of a dead client's buffers change");
    const chains = yield* chainsOf(context, unsure);
    const again: StoredVersion[] = [];
    for (const one of unsure) {
      const { key, pointer } = one.version as { key: Key; pointer: Pointer };
      const chain = chains.get(key);
      const isLive = chain === undefined ? false : isInChain(chain, pointer);
      // Damage hides what comes behind it: what may be there is not given to anybody.
      if (isLive === undefined && looks < looksMost) again.push(one);
      else if (isLive !== false) {
        live.add(one.address);
        keys.add(key);
      }
    }
    unsure = again;
    // Also one that looks marked: the dead client may not have come to flush it.
    const heads = [...chains.values()].filter(({ key, state }) => keys.has(key) && state === "end");
    yield* markHeads(
      context,
      heads.map(({ head }) => head),
    );
  }
  yield* sweepKeys(context, [...keys]);
  return live;
}

function* chainsOf(
  context: Context,
  stored: readonly StoredVersion[],
): Protocol<ReadonlyMap<Key, Chain>> {
  const keys = [...new Set(stored.map(({ version }) => version?.key as Key))];
  const chains = new Map<Key, Chain>();
  for (let first = 0; first < keys.length; first += chainsPerRound) {
    const starts = yield* findHeads(context, keys.slice(first, first + chainsPerRound));
    for (const chain of yield* walkChains(context, starts)) chains.set(chain.key, chain);
  }
  return chains;
}
