// The way along a key's chain to its latest version: one round trip a hop.
//
// - A walk starts at a cursor (a hint) or at the head that the directory names. Every version on
//   the way verifies: its life, its key. One that does not says that the start was stale, or, from
//   the directory again and again with the same bytes, that memory is damaged.
// - It ends at a version whose link leads to itself: that was the latest one when its link was
//   read.
// - A pending link is made durable before the walk goes on (H7).
// - A sealed version says that the key was deleted there; what became of it the directory knows
//   (H4).
// - A long chain is left where the key's shortcut leads to a later version: numbers only grow, so
//   the walk only gets on. Whoever was away while others wrote a hot key meets one.
// Source: paper section 4.2; design H2, H4, H7, H16.

import { assert, PdpmError } from "@pdpm/base";
import { type Key, keyText } from "@pdpm/kv";
import {
  addressIn,
  type BufferHeader,
  bufferHeaderBytes,
  linkIn,
  type Pointer,
} from "@pdpm/layout";
import { type Protocol, read, round } from "@pdpm/verbs";
import { settleLink } from "./links.ts";
import type { Context } from "./session.ts";
import { readShortcut } from "./shortcut-cells.ts";
import { versionHead, versionValue } from "./version.ts";

/** Hops after which a walk is given up: far beyond what collection lets a chain grow to. */
export const chainWalkMost: number = 2 ** 20;

/** The latest version of a key, or the sealed end of its chain. */
export type Tail = Ending & { readonly state: "end" };

/** Where a walk ended. */
export interface Ending {
  readonly state: "end" | "sealed";
  readonly pointer: Pointer;
  readonly header: BufferHeader;
  /** Of the version where it began. */
  readonly first: BufferHeader;
  /** The verified value, when it was asked for and the version is not sealed. */
  readonly value: Uint8Array | undefined;
  readonly hops: number;
}

/** Where a walk broke off: `bytes` did not verify as this version. */
export interface Broken {
  readonly state: "broken";
  readonly pointer: Pointer;
  readonly bytes: Uint8Array | undefined;
}

/** How a walk is made. */
export interface WalkOptions {
  /** Whether the value is read and verified, or the header and key only. */
  readonly wantsValue: boolean;
  /** Bytes of the first read. */
  readonly readBytes: number;
}

/** Follows the chain of `key` from `start` to its end. */
export function* walk(
  context: Context,
  key: Key,
  start: Pointer,
  options: WalkOptions,
): Protocol<Tail | (Ending & { readonly state: "sealed" }) | Broken> {
  const { session } = context;
  const { table, events } = session;
  let pointer = start;
  let wanted = options.readBytes;
  let hops = 0;
  let first: BufferHeader | undefined;
  for (;;) {
    const address = addressIn(pointer);
    if (!(yield* table.require(context, address))) return broken(pointer, undefined);
    const bytes = Math.min(wanted, table.roomAt(address));
    const [image] = yield* round(read(address, bytes));
    const header = versionHead(pointer, key, image);
    if (header === "other") return broken(pointer, image);
    if (typeof header === "number") {
      if (header > table.roomAt(address)) return broken(pointer, image);
      wanted = header;
      continue;
    }
    first ??= header;
    const word = yield* settleLink(context, pointer, header.link);
    const link = linkIn(pointer, word);
    if (link === "damaged") return broken(pointer, image);
    if (typeof link === "bigint") {
      hops += 1;
      if (hops > chainWalkMost) throw tooLong(key);
      events.chainHops += 1;
      pointer = isLong(hops) ? yield* further(context, key, header, link) : link;
      continue;
    }
    events.longestWalk = Math.max(events.longestWalk, hops);
    const found = { pointer, header, first, hops };
    if (link === "sealed") return { state: "sealed", ...found, value: undefined };
    if (!options.wantsValue) return { state: "end", ...found, value: undefined };
    const value = versionValue(header, image);
    if (value === "other") return broken(pointer, image);
    if (typeof value === "number") {
      if (value > table.roomAt(address)) return broken(pointer, image);
      wanted = value;
      continue;
    }
    assert(value.length === header.valueBytes, "a value has the length that its header says");
    return { state: "end", ...found, value };
  }
}

/** After 4 hops, 16, 64, ... the shortcut is looked at. */
function isLong(hops: number): boolean {
  return hops >= 4 && Math.log2(hops) % 2 === 0;
}

/** Where to go on behind `header`: at `next`, or where the shortcut leads, if that is later. */
function* further(
  context: Context,
  key: Key,
  { commitNumber }: BufferHeader,
  next: Pointer,
): Protocol<Pointer> {
  const { table, events } = context.session;
  const hint = yield* readShortcut(context, key);
  if (hint === undefined || !table.reaches(addressIn(hint))) return next;
  const bytes = Math.min(bufferHeaderBytes + key.length, table.roomAt(addressIn(hint)));
  const [image] = yield* round(read(addressIn(hint), bytes));
  const header = versionHead(hint, key, image);
  if (typeof header !== "object" || header.commitNumber <= commitNumber) return next;
  events.shortcutHits += 1;
  return hint;
}

function broken(pointer: Pointer, bytes: Uint8Array | undefined): Broken {
  return { state: "broken", pointer, bytes };
}

function tooLong(key: Key): PdpmError {
  const text = `the chain of ${keyText(key)} has no end after ${chainWalkMost} versions`;
  return new PdpmError("PDPM_CORRUPT", `${text}; run "pdpm fsck"`);
}
