// The file of a Direct store of one node, as a test that damages it sees it: where the bytes of
// each key stand, found by walking the chunk table and the buckets; single bytes flipped with
// pwrite(2).

import { closeSync, openSync, readFileSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Prng } from "@pdpm/base";
import {
  type Address,
  BucketImage,
  bucketBytes,
  bucketClass,
  chunkOf,
  copyHeaderBytes,
  decodeEntry,
  decodeTable,
  type Entry,
  entryOffset,
  offsetOf,
  RootGeometry,
  valueOffset,
  wordAt,
} from "@pdpm/layout";
import { decodeStoreWord, headerWordOffset, regionHeaderBytes } from "@pdpm/layout/region-header";
import { regionFileName } from "@pdpm/transport-mapped";

/** Offsets in the file. */
export interface KeyBytes {
  readonly entry: number;
  readonly slot: number;
  readonly keyBytes: number;
  readonly valueBytes: number;
}

/** Which byte of a key's is damaged. */
export const damages = {
  value: ({ slot, keyBytes, valueBytes }: KeyBytes, prng: Prng): number =>
    slot + 8 + valueOffset(keyBytes) + prng.below(valueBytes),
  key: ({ slot, keyBytes }: KeyBytes, prng: Prng): number =>
    slot + 8 + copyHeaderBytes + prng.below(keyBytes),
  header: ({ slot }: KeyBytes, prng: Prng): number => slot + 8 + prng.below(copyHeaderBytes),
  state: ({ slot }: KeyBytes, prng: Prng): number => slot + prng.below(8),
  entry: ({ entry }: KeyBytes, prng: Prng): number => entry + prng.below(8),
} as const;
/** One of them. */
export type Damage = keyof typeof damages;

/** A store's file. */
export class StoreFile {
  readonly path: string;

  constructor(directory: string) {
    this.path = join(directory, regionFileName);
  }

  /** Where each key stands now. */
  keys(): Map<string, KeyBytes> {
    const file = readFileSync(this.path);
    const { chunkBytes } = decodeStoreWord(wordAt(file, headerWordOffset.storeWord));
    const geometry = new RootGeometry(chunkBytes);
    const offset = (address: Address): number => {
      const chunk = chunkOf(address);
      const word = wordAt(file, regionHeaderBytes + offsetOf(geometry.tableWord(chunk)));
      const place = chunk === 0 ? 0 : decodeTable(word)?.place;
      return regionHeaderBytes + (place as number) * chunkBytes + offsetOf(address);
    };
    const keys = new Map<string, KeyBytes>();
    for (let index = 0; index < geometry.homeBuckets; index += 1) {
      let bucket: number | undefined = offset(geometry.homeBucket(index));
      while (bucket !== undefined) {
        const image: BucketImage = new BucketImage(
          new Uint8Array(file.subarray(bucket, bucket + bucketBytes)),
        );
        for (let i = 0; i < 28; i += 1) {
          const entry = decodeEntry(image.entryWord(i));
          if (!entry || entry.sizeClass === bucketClass) continue;
          const slot = offset(entry.cell);
          const keyBytes = file.readUInt16LE(slot + 8 + 32);
          const start = slot + 8 + copyHeaderBytes;
          const name = file.toString("utf8", start, start + keyBytes);
          const valueBytes = file.readUInt32LE(slot + 8 + 28);
          keys.set(name, { entry: bucket + entryOffset(i), slot, keyBytes, valueBytes });
        }
        const next: Entry | null | undefined = decodeEntry(image.nextWord);
        bucket = next ? offset(next.cell) : undefined;
      }
    }
    return keys;
  }

  /** Flips bits of these bytes, and returns what undoes it. */
  flip(offsets: Iterable<number>, prng: Prng): () => void {
    const undo: [offset: number, byte: number][] = [];
    const descriptor = openSync(this.path, "r+");
    try {
      const byte = new Uint8Array(1);
      for (const offset of offsets) {
        readSync(descriptor, byte, 0, 1, offset);
        undo.push([offset, byte[0] as number]);
        byte[0] = (byte[0] as number) ^ (1 + prng.below(255));
        writeSync(descriptor, byte, 0, 1, offset);
      }
    } finally {
      closeSync(descriptor);
    }
    return () => {
      for (const [offset, byte] of undo) this.write(offset, new Uint8Array([byte]));
    };
  }

  write(offset: number, bytes: Uint8Array): void {
    const descriptor = openSync(this.path, "r+");
    try {
      writeSync(descriptor, bytes, 0, bytes.length, offset);
    } finally {
      closeSync(descriptor);
    }
  }
}
