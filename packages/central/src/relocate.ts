// Moves a live cell out of a chunk that is to be emptied: a copy with the same commit number takes
// its place in the mapping, by the same transaction as a write's. Writers of the key go on
// meanwhile: one of the two transactions finds another cell than it expected, and starts anew.

import { isPdpmError } from "@pdpm/base";
import { type Key, keyBytesMost, toKey } from "@pdpm/kv";
import {
  type Address,
  addressIn,
  bufferHeaderBytes,
  decodeBufferHeader,
  type Pointer,
} from "@pdpm/layout";
import { type Protocol, read, round } from "@pdpm/verbs";
import { commitNext } from "./commit.ts";
import { finishDelete } from "./delete.ts";
import { leaseCells } from "./lease-cells.ts";
import { locateValue, withEntryLock } from "./locate.ts";
import { NewCell } from "./new-cell.ts";
import { noSpace } from "./no-space.ts";
import type { Context } from "./session.ts";

/** Moves the cell at `address`, if it is its key's; without a cell to move it to, it stays. */
export function* relocate(context: Context, address: Address): Protocol<void> {
  const found = yield* keyAt(context, address);
  if (found === undefined) return;
  const { key, pointer } = found;
  const located = yield* withEntryLock(context, key, locateValue);
  if (located.state === "wiped") yield* finishDelete(context, key);
  if (located.state !== "live" || located.pointer !== pointer) return;
  const { value, version } = located.seen;
  try {
    const cell = yield* NewCell.write(context, key, value, version, spareCell);
    try {
      const moved = yield* commitNext(context, key, cell, pointer);
      if (moved === "done") context.session.events.relocated += 1;
    } finally {
      yield* cell.abandon();
    }
  } catch (error) {
    if (!isPdpmError(error) || error.code !== "PDPM_NO_SPACE") throw error;
  }
}

/** The key that stands in a cell, and its life; undefined when there is none, or it is damaged. */
function* keyAt(
  context: Context,
  address: Address,
): Protocol<{ readonly key: Key; readonly pointer: Pointer } | undefined> {
  const room = context.session.table.roomAt(address);
  const [image] = yield* round(read(address, Math.min(bufferHeaderBytes + keyBytesMost, room)));
  const header = decodeBufferHeader(image);
  if (header === undefined || addressIn(header.self) !== address) return undefined;
  if (header.keyBytes < 1 || header.keyBytes > keyBytesMost) return undefined;
  const end = bufferHeaderBytes + header.keyBytes;
  return { key: toKey(image.subarray(bufferHeaderBytes, end)), pointer: header.self };
}

/** A cell without making space for it. */
function* spareCell(context: Context, sizeClass: number): Protocol<Pointer> {
  const { pool } = context.session;
  for (;;) {
    const pointer = pool.take(sizeClass);
    if (pointer !== undefined) return pointer;
    if (!(yield* leaseCells(context, sizeClass))) throw noSpace();
  }
}
