// What failed writes left behind: cells that were written, are not mapped, and could not be wiped.
// As long as one is valid, no other cell of its key may carry the same commit number (H23).

import type { Key } from "@pdpm/kv";
import type { Protocol } from "@pdpm/verbs";
import { claimed } from "./claim-key.ts";
import type { Context, Session, Unwiped } from "./session.ts";
import { wipe } from "./wipe.ts";

/** `cell` is to be wiped before its key is written again. */
export function leaveUnwiped(session: Session, key: Key, { pointer, sizeClass }: Unwiped): void {
  const list = session.unwiped.get(key);
  if (list === undefined) session.unwiped.set(key, [{ pointer, sizeClass }]);
  else list.push({ pointer, sizeClass });
}

/** Wipes what failed writes of `key` left; returns when nothing of it is valid any more. */
export function* wipeLeftovers(context: Context, key: Key): Protocol<void> {
  const { unwiped, changing } = context.session;
  // While somebody wipes, the key is claimed.
  if (!unwiped.has(key) && !changing.has(key)) return;
  yield* claimed(context, key, () => wipeAll(context, key));
}

function* wipeAll(context: Context, key: Key): Protocol<void> {
  const { unwiped, pool } = context.session;
  const list = [...(unwiped.get(key) ?? [])];
  yield* wipe(
    context,
    list.map(({ pointer }) => pointer),
  );
  // What came meanwhile is still to be wiped.
  const left = (unwiped.get(key) ?? []).filter((cell) => !list.includes(cell));
  if (left.length > 0) unwiped.set(key, left);
  else unwiped.delete(key);
  for (const { pointer, sizeClass } of list) pool.give(sizeClass, pointer);
}
