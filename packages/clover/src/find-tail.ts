// From a key that this client does not know, or whose cursor proved stale, to its latest version:
//
//   1. By the key's shortcut, one-sided: READ the cell, and walk from where it leads. It counts
//      only if the walk ends at a version without a next one, of this key (H8).
//   2. Otherwise by the directory: a question, and a walk from the head.
//
// "Missing" is said when the directory has no such key, or leads to a sealed chain, whose seal is
// durable then (H4). A reader is content with that, and leaves a note for housekeeping; a writer,
// who needs the directory to take the key's next life, forgets the chain first.

import { type Key, keyBytes, Patience } from "@pdpm/kv";
import { headMarkOf, type Pointer } from "@pdpm/layout";
import type { Protocol } from "@pdpm/verbs";
import { ask } from "./calls.ts";
import { corruptBuffer } from "./damage.ts";
import { forgetChain } from "./forget.ts";
import { markHeads } from "./head-marks.ts";
import type { Context } from "./session.ts";
import { readShortcut } from "./shortcut-cells.ts";
import { type Broken, type Tail, type WalkOptions, walk } from "./walk.ts";

/** The key does not exist; commit numbers of its next life start above `floor`. */
export interface Missing {
  readonly state: "missing";
  readonly floor: number;
}

/** Equal failures from the directory's own pointer, after which the bytes are damaged. */
const equalFailuresMost = 4;

/** How the latest version is looked for. */
export interface FindOptions extends WalkOptions {
  /** Whether a sealed chain is forgotten first, so that the key can be created. */
  readonly forgets: boolean;
  /** Whether the shortcut is asked first: not for a key that is likely to be new. */
  readonly asksShortcut: boolean;
}

/** The latest version of `key`. @throws PDPM_CORRUPT naming the key. */
export function* findTail(
  context: Context,
  key: Key,
  options: FindOptions,
): Protocol<Tail | Missing> {
  const near = options.asksShortcut ? yield* byShortcut(context, key, options) : undefined;
  return near ?? (yield* byDirectory(context, key, options));
}

/** Undefined: the shortcut of `key` leads nowhere, or to another key. */
function* byShortcut(context: Context, key: Key, options: WalkOptions): Protocol<Tail | undefined> {
  const hint = yield* readShortcut(context, key);
  if (hint === undefined) return undefined;
  const found = yield* walk(context, key, hint, options);
  if (found.state !== "end") return undefined;
  context.session.events.shortcutHits += 1;
  return found as Tail;
}

function* byDirectory(context: Context, key: Key, options: FindOptions): Protocol<Tail | Missing> {
  const patience = new Patience(context);
  let before: { readonly head: Pointer; readonly broken: Broken } | undefined;
  let equal = 0;
  for (;;) {
    const { head, floor } = yield* ask(context, { ask: "lookup", key: keyBytes(key) });
    if (head === null) return { state: "missing", floor };
    const found = yield* walk(context, key, head, options);
    if (found.state === "end") {
      // Whoever inserted the key may have died before its mark was durable.
      if (found.first.headMark !== headMarkOf(head)) yield* markHeads(context, [head]);
      return found;
    }
    if (found.state !== "broken") {
      if (!options.forgets) {
        context.session.retiring.sealed(key);
        return { state: "missing", floor };
      }
      yield* forgetChain(context, key);
    } else {
      // Collected and written anew between the question and the read; or damaged.
      equal = before !== undefined && isSame(before, head, found) ? equal + 1 : 0;
      if (equal >= equalFailuresMost) throw corruptBuffer(key, found.pointer);
      before = { head, broken: found };
    }
    yield* patience.wait("the chain of this key changes");
  }
}

function isSame(
  before: { readonly head: Pointer; readonly broken: Broken },
  head: Pointer,
  { pointer, bytes }: Broken,
): boolean {
  if (before.head !== head || before.broken.pointer !== pointer) return false;
  const last = before.broken.bytes;
  if (last === undefined || bytes === undefined) return last === bytes;
  return Buffer.compare(last, bytes) === 0;
}
