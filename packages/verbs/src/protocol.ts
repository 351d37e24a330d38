// A protocol is a generator of rounds: it yields what to post, is resumed with the replies, and
// never does I/O itself. One `yield` is one arrow in the paper's Figure 2.

import { PdpmError } from "@pdpm/base";
import type { Post, Replies, Round } from "./round.ts";

/** An operation, or a part of one, written as its round trips. */
export type Protocol<T> = Generator<Round, T, Replies>;

/** The replies of a tuple of posts. */
export type RepliesOf<P extends readonly Post[]> = {
  -readonly [K in keyof P]: P[K] extends Post<infer R> ? R : never;
};

/** One round trip: `repliesTo` what it posts. */
export function* round<const P extends readonly Post[]>(...posts: P): Protocol<RepliesOf<P>> {
  return repliesTo(posts, yield posts);
}

/**
 * The posts of a round. Not an array literal: V8 would allocate those among the old objects once a
 * bulk load let many grow old.
 */
export function together<const P extends readonly Post[]>(...posts: P): P {
  return posts;
}

/**
 * The replies in the order of their posts; an optional post that failed replies undefined.
 * @throws the first failure among the posts that are not optional, once all replies are in.
 */
export function repliesTo<P extends readonly Post[]>(posts: P, replies: Replies): RepliesOf<P> {
  for (let i = 0; i < posts.length; i += 1) {
    if (!(replies[i] instanceof PdpmError)) continue;
    if (!posts[i]?.optional) throw replies[i];
    (replies as unknown[])[i] = undefined;
  }
  return replies as unknown as RepliesOf<P>;
}
