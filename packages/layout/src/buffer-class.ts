// Size classes of data buffers (Clover, Central), and how a chunk of one class is divided: buffers
// of equal size from the chunk's beginning, in spans of up to 256 neighbours. Space is recorded per
// span. Class numbers stand in the chunk table; the list only ever grows at its end.
// Source: FORMAT.md section 12.

import { assert } from "@pdpm/base";
import { cellUnitBytes } from "./address.ts";
import { bufferHeaderBytes } from "./data-buffer.ts";
import { classValueSizes, keyRoomBytes } from "./size-class.ts";

/** A span has at most so many buffers: its bitmaps have 32 bytes. */
const spanBuffersMost = 256;
/** A span of large buffers is kept to about this size, so that a lease is not a whole chunk. */
const spanBytesAbout: number = 2 ** 20;

const keyBytesMost = 1024;
const sizes: readonly number[] = [
  ...classValueSizes.map((valueBytes) => roundedUp(bufferHeaderBytes + keyRoomBytes + valueBytes)),
  roundedUp(bufferHeaderBytes + keyBytesMost + 2 ** 20),
];

function roundedUp(bytes: number): number {
  return Math.ceil(bytes / cellUnitBytes) * cellUnitBytes;
}

/** Number of classes: 0 to this - 1. */
export const bufferClassCount: number = sizes.length;

/** Whether this number is a class of ours. */
export function isBufferClass(sizeClass: number): boolean {
  return sizes[sizeClass] !== undefined;
}

/** Bytes of a buffer of this class. */
export function bufferBytes(sizeClass: number): number {
  const bytes = sizes[sizeClass];
  assert(bytes !== undefined, `there is no buffer class ${sizeClass}`);
  return bytes;
}

/** The smallest class whose buffers hold an image of `imageBytes` bytes. */
export function bufferClassFor(imageBytes: number): number {
  let low = 0;
  let high = sizes.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sizes[middle] as number) >= imageBytes) high = middle;
    else low = middle + 1;
  }
  assert((sizes[low] as number) >= imageBytes, `no buffer holds ${imageBytes} bytes`);
  return low;
}

/** Buffers in a chunk. */
export function buffersPerChunk(chunkBytes: number, sizeClass: number): number {
  return Math.floor(chunkBytes / bufferBytes(sizeClass));
}

/** Buffers in a span, but for a chunk's last one. */
export function buffersPerSpan(sizeClass: number): number {
  return Math.min(
    spanBuffersMost,
    Math.max(1, Math.floor(spanBytesAbout / bufferBytes(sizeClass))),
  );
}

/** Spans in a chunk. */
export function spansPerChunk(chunkBytes: number, sizeClass: number): number {
  return Math.ceil(buffersPerChunk(chunkBytes, sizeClass) / buffersPerSpan(sizeClass));
}
