// Publishes the shortcuts that no put has taken along: in a client's turn of work, and when it
// leaves. Nothing depends on them (H8), so nothing is said of those that fail.

import { type Protocol, round } from "@pdpm/verbs";
import type { Context } from "./session.ts";

/** Writes every shortcut that waits by now. */
export function* publishShortcuts(context: Context): Protocol<void> {
  const { shortcuts } = context.session;
  for (let left = shortcuts.waiting; left > 0; ) {
    const posts = shortcuts.takePosts();
    left -= posts.length;
    if (posts.length === 0) return;
    yield* round(...posts);
  }
}
