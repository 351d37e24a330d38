// Applies one-sided posts to a memory, in order. Every fabric and the memory node's server end
// here, so bounds and alignment are checked in one place, before any byte moves.

import { PdpmError, unreachable } from "@pdpm/base";
import { invalidRange, type Memory } from "./memory.ts";
import { type Post, type Replies, type Round, Verb, verbBytesMost } from "./round.ts";
import { takeBuffer } from "./slab.ts";

/** Why `post` must not be applied to `memory`, or null. */
function invalid(memory: Memory, post: Post): string | null {
  const range = invalidRange(memory.sizeBytes, post.offset, post.bytes);
  if (range !== null) return range;
  if (post.verb === Verb.compareAndSwap) {
    return post.offset % 8 === 0 ? null : `offset ${post.offset} is not aligned to a word`;
  }
  if (post.verb === Verb.flush || post.bytes <= verbBytesMost) return null;
  return `${post.bytes} bytes are more than one verb may move`;
}

function applyOne(memory: Memory, post: Post): unknown {
  const reason = invalid(memory, post);
  if (reason !== null) return new PdpmError("PDPM_INVALID_ARGUMENT", reason);
  switch (post.verb) {
    case Verb.read: {
      const target = post.data ?? takeBuffer(post.bytes);
      memory.read(post.offset, target);
      return target;
    }
    case Verb.write:
      memory.write(post.offset, post.data as Uint8Array);
      return undefined;
    case Verb.compareAndSwap:
      return memory.compareAndSwap(post.offset, post.expectedWord, post.desiredWord);
    case Verb.flush:
      return memory.flush(post.offset, post.bytes);
    case Verb.call:
    case Verb.pause:
      return new PdpmError("PDPM_INVALID_ARGUMENT", "a memory node answers verbs only");
    default:
      return unreachable(post.verb);
  }
}

function applySafely(memory: Memory, post: Post): unknown {
  try {
    return applyOne(memory, post);
  } catch (error) {
    return asFailure(error);
  }
}

/** What went wrong, as an error of ours. */
export function asFailure(error: unknown): PdpmError {
  if (error instanceof PdpmError) return error;
  return new PdpmError("PDPM_UNAVAILABLE", String(error), { cause: error, outcome: "unknown" });
}

async function applyRest(
  memory: Memory,
  posts: Round,
  replies: unknown[],
  waiting: Promise<void>,
): Promise<Replies> {
  try {
    await waiting;
    replies.push(undefined);
  } catch (error) {
    replies.push(asFailure(error));
  }
  return applyFrom(memory, posts, replies);
}

function applyFrom(memory: Memory, posts: Round, replies: unknown[]): Replies | Promise<Replies> {
  while (replies.length < posts.length) {
    const reply = applySafely(memory, posts[replies.length] as Post);
    if (reply instanceof Promise) return applyRest(memory, posts, replies, reply);
    replies.push(reply);
  }
  return replies;
}

/**
 * Applies `posts` (already placed: `post.offset`) in order; what stands behind a flush waits for
 * it. Ready at once when no flush has to wait. Never throws: failures are replies.
 */
export function applyPosts(memory: Memory, posts: Round): Replies | Promise<Replies> {
  if (posts.length !== 1) return applyFrom(memory, posts, []);
  const reply = applySafely(memory, posts[0] as Post);
  return reply instanceof Promise ? applyRest(memory, posts, [], reply) : listOf(reply);
}

/** An array of exactly this, allocated among the young objects (see `together`). */
function listOf(...items: unknown[]): unknown[] {
  return items;
}
