// Empties buffers whose chunk is wanted for something else. Each holds one version of some key:
//
//   superseded, or of a sealed chain   it is freed, like in any collection
//   the latest version                 a copy with the same commit number is linked behind it, like
//                                      an update; then it is superseded, and freed
//
// A reader that was on its way to the old buffer follows its link. A writer that linked its own
// version there first has superseded it for us. Nobody can tell the copy from what it is a copy of:
// number, value, and place in the order of the key's versions are the same.

import type { Key } from "@pdpm/kv";
import {
  type Address,
  addressIn,
  bufferFields,
  chunkOf,
  type Pointer,
  withPending,
} from "@pdpm/layout";
import { compareAndSwap, type Protocol, read, round } from "@pdpm/verbs";
import { settlingPosts } from "./links.ts";
import { NewVersion } from "./new-version.ts";
import { refill } from "./refill.ts";
import { sweepKeys } from "./retire.ts";
import type { Context } from "./session.ts";
import { readStoredVersions } from "./stored-versions.ts";
import { versionBytes, versionHead, versionValue } from "./version.ts";
import { type Chain, findHeads, walkChains } from "./walk-chains.ts";

/** Buffers emptied together at most. */
export const relocatedPerRound = 64;

/** A latest version, and its copy in the making. */
interface Relocation {
  readonly from: Pointer;
  readonly copy: NewVersion;
}

/**
 * Empties the buffers at `addresses`, of one chunk of `sizeClass`, as far as there are buffers to
 * copy to; `relocatedPerRound` at most. Those that it could not empty stay as they are.
 */
export function* relocate(
  context: Context,
  sizeClass: number,
  addresses: readonly Address[],
): Protocol<void> {
  const pointers = new Set<Pointer>();
  const keys = new Set<Key>();
  for (const { version } of yield* readStoredVersions(context, addresses)) {
    if (version === undefined) continue;
    pointers.add(version.pointer);
    keys.add(version.key);
  }
  const chains = yield* walkChains(context, yield* findHeads(context, [...keys]));
  const latest = chains.filter(({ state, pointer }) => state === "end" && pointers.has(pointer));
  yield* link(context, yield* copyAll(context, sizeClass, latest));
  yield* sweepKeys(context, [...keys]);
}

/** Copies versions into buffers in hand: a round trip to read them, and one to write them. */
function* copyAll(
  context: Context,
  sizeClass: number,
  latest: readonly Chain[],
): Protocol<Relocation[]> {
  if (latest.length === 0) return [];
  const reads = latest.map(({ pointer, header }) =>
    read(addressIn(pointer), versionBytes(header as NonNullable<typeof header>)),
  );
  const images = (yield* round(...reads)) as Uint8Array[];
  const made: Relocation[] = [];
  try {
    for (const [i, { key, pointer: from }] of latest.entries()) {
      const image = images[i] as Uint8Array;
      const header = versionHead(from, key, image);
      const value = typeof header === "object" ? versionValue(header, image) : "other";
      // Written anew since the walk: nothing is to be done here. Or damaged: nothing can be.
      if (typeof header !== "object" || typeof value !== "object") continue;
      const target = yield* takeTarget(context, sizeClass);
      if (target === undefined) break;
      const { commitNumber } = header;
      const copy = new NewVersion(context, key, target, sizeClass, value, commitNumber);
      made.push({ from, copy });
    }
    if (made.length > 0) yield* round(...made.flatMap(({ copy }) => copy.posts()));
    return made;
  } catch (error) {
    for (const { copy } of made) copy.release();
    throw error;
  }
}

/** A buffer in an active chunk, out of the pool or leased; no space is made for it. */
function* takeTarget(context: Context, sizeClass: number): Protocol<Pointer | undefined> {
  const { pool, table } = context.session;
  const isActive = (pointer: Pointer): boolean => table.isActive(chunkOf(addressIn(pointer)));
  const pointer = pool.take(sizeClass, isActive);
  if (pointer !== undefined || pool.refilling.has(sizeClass)) return pointer;
  return (yield* refill(context, sizeClass)) ? pool.take(sizeClass, isActive) : undefined;
}

/** The round trip that links the copies. */
function* link(context: Context, made: readonly Relocation[]): Protocol<void> {
  if (made.length === 0) return;
  const { session, operation } = context;
  const { isDurable, events } = session;
  const wordOf = ({ pointer }: NewVersion): bigint => (isDurable ? withPending(pointer) : pointer);
  const swaps = made.map(({ from, copy }) =>
    compareAndSwap(addressIn(from) + bufferFields.link, from, wordOf(copy)),
  );
  const settling = made.flatMap(({ from, copy }) => settlingPosts(context, from, wordOf(copy)));
  try {
    const replies = yield* round(...swaps, ...settling);
    for (const [i, { from, copy }] of made.entries()) {
      if (replies[i] !== from) {
        copy.release();
        continue;
      }
      copy.linked();
      events.relocated += 1;
    }
  } catch (error) {
    for (const { copy } of made) {
      // Told to stop: the round was not posted. Otherwise the chains say what was linked.
      if (operation.wasTold) copy.release();
      else copy.doubted();
    }
    throw error;
  }
}
