// Size classes of pDPM-Direct's slots. A slot is its state word and two copies of equal capacity;
// its size is a multiple of 64 bytes. Four classes per doubling: at most a quarter of a slot is
// unused. Class numbers stand in memory; the list only ever grows at its end, before `bucketClass`.

import { assert } from "@pdpm/base";
import { cellUnitBytes } from "./address.ts";
import { copyHeaderBytes } from "./slot-copy.ts";

/** The class of overflow buckets. */
export const bucketClass = 63;
/** Bytes of a bucket, home or overflow. */
export const bucketBytes = 256;

/** A key of up to 24 bytes fits beside the value sizes below. */
export const keyRoomBytes = 24;

/** The value sizes that classes are made for: 0 to 1 MiB, four per doubling. */
export const classValueSizes: readonly number[] = makeValueSizes();

function slotBytesFor(copyBytes: number): number {
  return Math.ceil((8 + 2 * copyBytes) / cellUnitBytes) * cellUnitBytes;
}

function makeValueSizes(): number[] {
  const valueSizes: number[] = [];
  for (let bytes = 0; bytes <= 256; bytes += 32) valueSizes.push(bytes);
  for (let base = 256; base < 2 ** 20; base *= 2) {
    for (let quarter = 1; quarter <= 4; quarter += 1) valueSizes.push(base + (base / 4) * quarter);
  }
  return valueSizes;
}

function makeSlotSizes(): number[] {
  const sizes = classValueSizes.map((bytes) =>
    slotBytesFor(copyHeaderBytes + keyRoomBytes + bytes),
  );
  sizes.push(slotBytesFor(copyHeaderBytes + 1024 + 2 ** 20));
  return sizes;
}

const slotSizes: readonly number[] = makeSlotSizes();
assert(slotSizes.length < bucketClass, `${slotSizes.length} size classes do not fit in 6 bits`);

/** Number of slot classes: 0 to this - 1. */
export const slotClassCount: number = slotSizes.length;

/** Bytes of a cell of this class. */
export function cellBytes(sizeClass: number): number {
  if (sizeClass === bucketClass) return bucketBytes;
  const bytes = slotSizes[sizeClass];
  assert(bytes !== undefined, `there is no size class ${sizeClass}`);
  return bytes;
}

/** Whether this number is a class of ours. */
export function isSizeClass(sizeClass: number): boolean {
  return sizeClass === bucketClass || slotSizes[sizeClass] !== undefined;
}

/** Bytes that one copy in a slot of this class may take. */
export function copyCapacity(sizeClass: number): number {
  return Math.floor((cellBytes(sizeClass) - 8) / 16) * 8;
}

/** The smallest class whose copies hold `copyBytes` bytes. */
export function sizeClassFor(copyBytes: number): number {
  let low = 0;
  let high = slotSizes.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (copyCapacity(middle) >= copyBytes) high = middle;
    else low = middle + 1;
  }
  assert(copyCapacity(low) >= copyBytes, `no slot holds a copy of ${copyBytes} bytes`);
  return low;
}
