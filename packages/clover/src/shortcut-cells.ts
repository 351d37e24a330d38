// Reading and publishing shortcuts (shortcuts.ts). Nothing depends on them (H8): a cell that cannot
// be read leads nowhere, and nothing is said of those that could not be written.

import type { Key } from "@pdpm/kv";
import { type Address, addressIn, type Pointer } from "@pdpm/layout";
import type { Move } from "@pdpm/metadata-server/protocol";
import { compareAndSwap, optional, type Protocol, read, round } from "@pdpm/verbs";
import type { Context } from "./session.ts";

/** Where the shortcut of `key` leads, if to a chunk that there may be: a hint. */
export function* readShortcut(context: Context, key: Key): Protocol<Pointer | undefined> {
  const { shortcuts, table } = context.session;
  const [bytes] = yield* round(optional(read(shortcuts.cell(key), 8)));
  const hint = bytes === undefined ? undefined : shortcuts.decode(bytes);
  return hint !== undefined && table.mayReach(addressIn(hint)) ? hint : undefined;
}

/** Writes every shortcut that waits by now: no put has taken it along. */
export function* publishShortcuts(context: Context): Protocol<void> {
  const { shortcuts } = context.session;
  for (let left = shortcuts.waiting; left > 0; ) {
    const posts = shortcuts.takePosts();
    left -= posts.length;
    if (posts.length === 0) return;
    yield* round(...posts);
  }
}

/** Cells read in one round. */
const cellsPerRound = 256;

/** Shortcuts that lead to what these moves freed lead to the new heads; no other is touched. */
export function* leadPast(context: Context, moves: readonly Move[]): Protocol<void> {
  const { shortcuts } = context.session;
  for (let first = 0; first < moves.length; first += cellsPerRound) {
    const some = moves.slice(first, first + cellsPerRound);
    const cells = some.map(({ key }) => shortcuts.cellOf(key));
    const hints = yield* round(...cells.map((cell) => optional(read(cell, 8))));
    const swaps = some.flatMap(({ freed, next }, i) => {
      const bytes = hints[i];
      const hint = bytes === undefined ? undefined : shortcuts.decode(bytes);
      if (hint === undefined || !freed.includes(hint)) return [];
      return [optional(compareAndSwap(cells[i] as Address, hint, next))];
    });
    if (swaps.length > 0) yield* round(...swaps);
  }
}
