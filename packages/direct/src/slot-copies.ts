// A slot as audit and repair look at it, when nobody writes: both copies, and what can be said of
// each.

import { type Key, keyText, toKey } from "@pdpm/kv";
import {
  type Address,
  cellBytes,
  copyCapacity,
  copyHeaderBytes,
  type SlotCopy,
  u16At,
} from "@pdpm/layout";
import { type Protocol, read, round, verbBytesMost } from "@pdpm/verbs";
import { committedOffset, SlotView } from "./slot-view.ts";

/** A copy whose header and key verify. */
export interface FoundCopy extends SlotCopy {
  readonly key: Key;
  /** Whether its value verifies, too. */
  readonly isWhole: boolean;
}

/** Where the uncommitted copy of a slot of this class starts. */
export function uncommittedOffset(sizeClass: number): number {
  return committedOffset + copyCapacity(sizeClass);
}

/** Reads the state word and the committed copy's space: one round trip. */
export function* readCommitted(slot: Address, sizeClass: number): Protocol<SlotView> {
  const [bytes] = yield* round(read(slot, uncommittedOffset(sizeClass)));
  return new SlotView(slot, bytes);
}

/** Reads the whole cell, in as many verbs as it takes. */
export function* readWhole(slot: Address, sizeClass: number): Protocol<SlotView> {
  const bytes = new Uint8Array(cellBytes(sizeClass));
  for (let offset = 0; offset < bytes.length; offset += verbBytesMost) {
    const part = bytes.subarray(offset, Math.min(bytes.length, offset + verbBytesMost));
    yield* round(read(slot + offset, part.length, part));
  }
  return new SlotView(slot, bytes);
}

/** The copy at `offset`, or undefined if its header does not verify. */
export function copyAt(view: SlotView, offset: number): FoundCopy | undefined {
  const copy = view.header(offset);
  if (typeof copy !== "object") return undefined;
  const start = offset + copyHeaderBytes;
  const key = toKey(view.bytes.subarray(start, start + copy.keyBytes));
  return { ...copy, key, isWhole: typeof view.value(offset, copy) === "object" };
}

/** Whose slot it is, by whichever copy of its present life verifies. */
export function keyOfSlot(view: SlotView, sizeClass: number): Key | undefined {
  for (const offset of [committedOffset, uncommittedOffset(sizeClass)]) {
    const copy = copyAt(view, offset);
    if (copy !== undefined && copy.incarnation === view.word?.incarnation) return copy.key;
  }
  return undefined;
}

/** The key for messages; one whose header is damaged is given as it reads. */
export function slotKeyText(view: SlotView, sizeClass: number): string {
  const key = keyOfSlot(view, sizeClass) ?? copyAt(view, committedOffset)?.key;
  if (key !== undefined) return keyText(key);
  const bytes = u16At(view.bytes, committedOffset + 32);
  const start = committedOffset + copyHeaderBytes;
  if (bytes === 0 || bytes > 1024 || start + bytes > view.bytes.length) return "a key unknown";
  return `a key that reads ${keyText(toKey(view.bytes.subarray(start, start + bytes)))}`;
}
