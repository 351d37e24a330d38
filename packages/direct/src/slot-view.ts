// What a read of a slot says, decided from a private copy of its bytes and nothing else. The bytes
// may mix several writes; what they say counts only if it verifies.

import { Found, isKeyAt, type Key } from "@pdpm/kv";
import {
  type Address,
  CellState,
  type CellWord,
  checkCopy,
  checkHeader,
  checkValue,
  copyCommitNumber,
  copyHeaderBytes,
  decodeCopy,
  decodeStateParts,
  isFreeLive,
  type SlotCopy,
  u16At,
  u32At,
  valueOffset,
} from "@pdpm/layout";

/** Where the committed copy starts: behind the state word. */
export const committedOffset = 8;

/** A slot's bytes: its state word, and as much of the committed copy as was read. */
export class SlotView {
  readonly slot: Address;
  readonly bytes: Uint8Array;
  /** Undefined if the word is damaged. */
  readonly word: CellWord | undefined;

  constructor(slot: Address, bytes: Uint8Array) {
    this.slot = slot;
    this.bytes = bytes;
    this.word = decodeStateParts(u32At(bytes, 0), u32At(bytes, 4));
  }

  /** The copy at `offset` if its header verifies under this slot's address, else why not. */
  header(offset: number): SlotCopy | "short" | "torn" {
    const check = checkHeader(this.slot, this.bytes, offset);
    return check === "ok" ? decodeCopy(this.bytes, offset) : check;
  }

  /** Whether the copy at `offset`, whose header is good, is of `key`. */
  isOf(key: Key, offset: number, copy: SlotCopy): boolean {
    return isKeyAt(key, this.bytes, offset + copyHeaderBytes, copy.keyBytes);
  }

  /** The value of a copy whose header is good, shared with this view, or why there is none. */
  value(offset: number, copy: SlotCopy): Uint8Array | "short" | "torn" {
    const check = checkValue(this.bytes, offset);
    if (check !== "ok") return check;
    const start = offset + valueOffset(copy.keyBytes);
    return this.bytes.subarray(start, start + copy.valueBytes);
  }

  /** Held or not, the slot carries a key's committed value. */
  get isLive(): boolean {
    return this.word?.state === CellState.live;
  }
}

/** Bytes to read from a slot's start to have the whole of this copy as the committed one. */
export function readBytesFor(copy: SlotCopy): number {
  return committedOffset + valueOffset(copy.keyBytes) + copy.valueBytes;
}

/**
 * What nearly every read brings: nobody holds the slot, it has the life that was expected, and the
 * committed copy verifies, is of `key` and ends where the image does. Anything else is undefined
 * and takes a closer look. As strict as that look, at a third of its price: no view, no decoded
 * word, one pass for both checksums.
 */
export function foundAtRest(
  slot: Address,
  incarnation: number,
  key: Key,
  image: Uint8Array,
): Found | undefined {
  const copy = committedOffset;
  if (!isFreeLive(u32At(image, 0), u32At(image, 4), incarnation)) return undefined;
  if (checkCopy(slot, image, copy) !== "ok") return undefined;
  if (u32At(image, copy + 24) !== incarnation) return undefined;
  const keyBytes = u16At(image, copy + 32);
  if (!isKeyAt(key, image, copy + copyHeaderBytes, keyBytes)) return undefined;
  const start = copy + valueOffset(keyBytes);
  if (start + u32At(image, copy + 28) !== image.length) return undefined;
  return new Found(image.subarray(start), copyCommitNumber(image, copy));
}
