// Walks the chains of many keys at once: a round trip a hop, for all of them together. For
// collection, which looks at every key and finds nothing to do at most; walk.ts is for the one key
// of an operation. The rules are the same: every version verifies, pending links are made durable
// before the walk goes on, and what does not verify breaks that one walk off.

import { assert } from "@pdpm/base";
import { type Key, keyBytes } from "@pdpm/kv";
import {
  addressIn,
  type BufferHeader,
  bufferHeaderBytes,
  isPending,
  linkIn,
  type Pointer,
} from "@pdpm/layout";
import { type Post, type Protocol, read, round } from "@pdpm/verbs";
import { askMany } from "./calls.ts";
import { settlingPosts } from "./links.ts";
import type { Context } from "./session.ts";
import { versionHead } from "./version.ts";
import { chainWalkMost } from "./walk.ts";

/** Chains walked together at most. */
export const chainsPerRound = 256;

/** A key, and where its chain begins. */
export interface ChainStart {
  readonly key: Key;
  readonly head: Pointer;
}

/** A key's chain as memory had it. */
export interface Chain extends ChainStart {
  /** From the head on, oldest first, without the end. */
  readonly passed: readonly Pointer[];
  /** Where it ends; where it broke off, if it did. */
  readonly pointer: Pointer;
  /** Of the end; undefined when the walk broke off there. */
  readonly header: BufferHeader | undefined;
  /** "broken": collected and written anew meanwhile, or damaged. */
  readonly state: "end" | "sealed" | "broken";
}

/** Where the directory says that chains begin; keys that do not exist are left out. */
export function* findHeads(context: Context, keys: readonly Key[]): Protocol<ChainStart[]> {
  const questions = keys.map((key) => ({ ask: "lookup", key: keyBytes(key) }) as const);
  const answers = yield* askMany(context, questions);
  const starts: ChainStart[] = [];
  for (const [i, { head }] of answers.entries()) {
    if (head !== null) starts.push({ key: keys[i] as Key, head });
  }
  return starts;
}

/** Follows each chain to its end. At most `chainsPerRound` of them. */
export function* walkChains(context: Context, starts: readonly ChainStart[]): Protocol<Chain[]> {
  assert(starts.length <= chainsPerRound, `${starts.length} chains are too many for a round`);
  const { table } = context.session;
  const walks = starts.map((start) => new ChainWalk(start));
  for (;;) {
    let active = walks.filter(({ state }) => state === undefined);
    if (active.length === 0) return walks as unknown as Chain[];
    if (active.some((one) => !table.reaches(one.address))) yield* table.load(context);
    for (const one of active) if (!table.reaches(one.address)) one.state = "broken";
    active = active.filter(({ state }) => state === undefined);
    if (active.length === 0) continue;
    const reads = active.map((one) =>
      read(one.address, Math.min(one.readBytes, table.roomAt(one.address))),
    );
    const images = (yield* round(...reads)) as Uint8Array[];
    const settling: Post<unknown>[] = [];
    for (const [i, one] of active.entries()) one.take(context, images[i], settling);
    if (settling.length > 0) yield* round(...settling);
  }
}

/** One chain, on the way. */
class ChainWalk {
  readonly key: Key;
  readonly head: Pointer;
  readonly passed: Pointer[] = [];
  pointer: Pointer;
  header: BufferHeader | undefined;
  state: Chain["state"] | undefined;
  readBytes: number;

  constructor({ key, head }: ChainStart) {
    this.key = key;
    this.head = head;
    this.pointer = head;
    this.readBytes = bufferHeaderBytes + key.length;
  }

  get address(): number {
    return addressIn(this.pointer);
  }

  /**
   * Takes a copy of the version at `pointer`, and the step behind it; adds to `settling` what makes
   * its link durable, which the caller posts before the next hop.
   */
  take(context: Context, image: Uint8Array | undefined, settling: Post<unknown>[]): void {
    const { session } = context;
    const header = image === undefined ? "other" : versionHead(this.pointer, this.key, image);
    if (typeof header === "number") {
      // Each copy is longer than the one before, until the key is whole.
      if (header > session.table.roomAt(this.address)) this.state = "broken";
      this.readBytes = header;
      return;
    }
    const link = header === "other" ? "damaged" : linkIn(this.pointer, header.link);
    if (header === "other" || link === "damaged" || this.passed.length >= chainWalkMost) {
      this.state = "broken";
      return;
    }
    if (isPending(header.link)) {
      settling.push(...settlingPosts(context, this.pointer, header.link));
      session.events.linksSettled += 1;
    }
    if (typeof link === "bigint") {
      this.passed.push(this.pointer);
      this.pointer = link;
      return;
    }
    this.header = header;
    this.state = link;
  }
}
