// What a protocol holds: locks on buckets and slots, and cells it has claimed. Each is one state
// word with our id in it, and one word that lets go of it.
//
// Invariant: whoever takes a hold either releases it or leaves it in doubt. In doubt means that the
// word may still carry our id, with work behind it that must be finished and not undone; then only
// recovery touches it, ours or, when we are dead, anybody's.

import { assert, isPdpmError } from "@pdpm/base";
import type { Address } from "@pdpm/layout";
import { compareAndSwap, type Post, type Protocol, type Replies } from "@pdpm/verbs";
import type { Context } from "./session.ts";

/** One state word with our id in it. */
export class Hold {
  readonly address: Address;
  /** The word as it stands now. */
  word: bigint;
  /** What it is to become when we let go. */
  idleWord: bigint;
  released = false;
  /** Something was begun under it that must be finished or undone before anybody lets go. */
  isHalfDone = false;

  constructor(address: Address, word: bigint, idleWord: bigint) {
    this.address = address;
    this.word = word;
    this.idleWord = idleWord;
  }
}

/**
 * Tries to take `address`: CAS of its word from `idleWord` to `word`, with `others` behind it in
 * the same round trip. Returns the replies, the word found first; the address is held if that is
 * `idleWord`. After a failure it is in doubt if the CAS may have swapped. The caller has checked
 * that nobody here holds it.
 */
export function* take(
  context: Context,
  address: Address,
  idleWord: bigint,
  word: bigint,
  ...others: readonly Post[]
): Protocol<readonly [bigint, ...unknown[]]> {
  const { session } = context;
  assert(!session.held.has(address), `${address} is held already`);
  session.held.add(address);
  let replies: Replies;
  try {
    replies = yield [compareAndSwap(address, idleWord, word), ...others];
  } catch (told) {
    session.held.delete(address); // Told to stop in place of posting this round.
    throw told;
  }
  const found = replies[0];
  const failure = replies.find(isPdpmError);
  const mayBeOurs = isPdpmError(found) ? found.outcome === "unknown" : found === idleWord;
  if (!mayBeOurs) session.held.delete(address);
  else if (failure !== undefined) session.doubt(address);
  if (failure !== undefined) throw failure;
  return replies as readonly [bigint, ...unknown[]];
}

/**
 * Lets go of holds, in one round trip together with `others` (whose failures do not matter any
 * more). What cannot be released is left in doubt. Being told to stop does not keep it from letting
 * go.
 */
export function* release(
  context: Context,
  holds: readonly Hold[],
  others: readonly Post[] = [],
): Protocol<void> {
  const open = holds.filter((hold) => !hold.released);
  if (open.length === 0) return;
  const swaps = open.map(({ address, word, idleWord }) => compareAndSwap(address, word, idleWord));
  const posts = [...others, ...swaps];
  let replies: Replies;
  let told: unknown;
  try {
    replies = yield posts;
  } catch (error) {
    told = error; // It comes in place of posting this round, and only once.
    replies = yield posts;
  }
  for (const [i, hold] of open.entries()) {
    hold.released = true;
    if (replies[others.length + i] === hold.word) context.session.held.delete(hold.address);
    else context.session.doubt(hold.address);
  }
  if (told !== undefined) throw told;
}

/**
 * After a failure: lets go of everything if the operation certainly had no effect, so that nothing
 * is half done; otherwise leaves it to recovery, which finishes it.
 */
export function* letGo(context: Context, holds: readonly Hold[]): Protocol<void> {
  if (context.operation.outcome === "not-applied") {
    yield* release(context, holds);
    return;
  }
  for (const hold of holds) leaveInDoubt(context, hold);
}

/** The hold stays, and what stands behind it is finished by recovery. */
export function leaveInDoubt(context: Context, hold: Hold): void {
  if (hold.released) return;
  hold.released = true;
  context.session.doubt(hold.address);
}
