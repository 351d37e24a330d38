// What failed writes left behind: cells that were written, are not mapped, and could not be wiped.
// As long as one is valid, no other cell of its key may carry the same commit number (H23).

import type { Key } from "@pdpm/kv";
import type { Protocol } from "@pdpm/verbs";
import type { Context, Session, Unwiped } from "./session.ts";
import { wipe } from "./wipe.ts";

/** `cell` is to be wiped before its key is written again. */
export function leaveUnwiped(session: Session, key: Key, { pointer, sizeClass }: Unwiped): void {
  const list = session.unwiped.get(key);
  if (list === undefined) session.unwiped.set(key, [{ pointer, sizeClass }]);
  else list.push({ pointer, sizeClass });
}

/** Wipes what failed writes of `key` left. The key is claimed, or nothing else runs any more. */
export function* wipeLeftovers(context: Context, key: Key): Protocol<void> {
  const { unwiped, pool } = context.session;
  const list = unwiped.get(key);
  if (list === undefined) return;
  unwiped.delete(key);
  try {
    const pointers = list.map(({ pointer }) => pointer);
    yield* wipe(context, pointers);
  } catch (error) {
    unwiped.set(key, [...list, ...(unwiped.get(key) ?? [])]);
    throw error;
  }
  for (const { pointer, sizeClass } of list) pool.give(sizeClass, pointer);
}
