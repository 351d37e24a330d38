// What a protocol holds: locks on buckets and slots, and cells it has claimed. Each is one state word
// with our id in it, and one word that lets go of it.
//
// Invariant: whoever takes a hold either releases it or leaves it in doubt. In doubt means that the
// word may still carry our id, with work behind it that must be finished and not undone; then only
// recovery touches it, ours or, when we are dead, anybody's.

import type { PdpmError } from "@pdpm/base";
import { isPdpmError } from "@pdpm/base";
import type { Address } from "@pdpm/layout";
import { compareAndSwap, type Post, type Protocol } from "@pdpm/verbs";
import type { Context } from "./session.ts";

/** One state word with our id in it. */
export class Hold {
  readonly address: Address;
  /** The word as it stands now. */
  word: bigint;
  /** What it is to become when we let go. */
  idleWord: bigint;
  released = false;

  constructor(address: Address, word: bigint, idleWord: bigint) {
    this.address = address;
    this.word = word;
    this.idleWord = idleWord;
  }
}

/**
 * Lets go of holds, in one round trip together with `others` (whose failures do not matter any more).
 * Never throws: what cannot be released is left in doubt.
 */
export function* release(
  context: Context,
  holds: readonly Hold[],
  others: readonly Post[] = [],
): Protocol<void> {
  const open = holds.filter((hold) => !hold.released);
  if (open.length === 0) return;
  const posts = open.map(({ address, word, idleWord }) => compareAndSwap(address, word, idleWord));
  const replies = yield [...others, ...posts];
  for (const [i, hold] of open.entries()) {
    hold.released = true;
    if (replies[others.length + i] === hold.word) context.session.held.delete(hold.address);
    else context.session.doubt(hold.address);
  }
}

/**
 * After a failure: lets go of everything if the operation certainly had no effect, so that nothing is
 * half done; otherwise leaves it to recovery, which finishes it.
 */
export function* letGo(context: Context, holds: readonly Hold[]): Protocol<void> {
  if (context.operation.outcome === "not-applied") {
    yield* release(context, holds);
    return;
  }
  for (const hold of holds) {
    if (hold.released) continue;
    hold.released = true;
    context.session.doubt(hold.address);
  }
}

/** After a failed attempt to take `address`: it is ours only if the CAS's reply was lost. */
export function giveUpTaking(context: Context, address: Address, error: unknown): void {
  const lost = isPdpmError(error) && (error as PdpmError).outcome === "unknown";
  if (lost) context.session.doubt(address);
  else context.session.held.delete(address);
}
