// The root chunk of pDPM-Direct: chunk 0, the first chunk of memory node 0. It holds what clients
// need to find everything else; every word in it is changed by CAS.
//
//   0                 root words, below
//   4096              lease records: 4096 of 64 bytes
//   266240            chunk table: one word per chunk number, chunkBytes / 128 of them
//   chunkBytes / 2    home buckets: chunkBytes / 512 of 256 bytes
//
// A fresh root chunk is all zeros, and valid: no chunks, no clients, empty buckets.

import { assert } from "@pdpm/base";
import { type Address, addressOf } from "./address.ts";
import { bucketBytes } from "./size-class.ts";

/** Root words, as addresses in chunk 0. */
export const rootWords = {
  /** State word: held while the chunk table changes. */
  tableLock: 0,
  /** Number word: chunk numbers below it have been given out (0 counts as 1). */
  tableCount: 8,
  /** Number word: grows with every change of the table that clients must learn of. */
  tableGeneration: 16,
} as const;

/** Bytes of the root words, read together. */
export const rootWordsBytes = 24;

/** Lease records, one per open client. */
export const leaseRecordCount = 4096;
/** Bytes of one. */
export const leaseRecordBytes = 64;
const leaseRecordsOffset = 4096;
const tableOffset = leaseRecordsOffset + leaseRecordCount * leaseRecordBytes;

/** Where things stand in a root chunk of a given size. */
export class RootGeometry {
  readonly chunkBytes: number;
  /** Chunk numbers that the table has room for. */
  readonly chunkNumbers: number;
  readonly homeBuckets: number;

  constructor(chunkBytes: number) {
    this.chunkBytes = chunkBytes;
    this.chunkNumbers = chunkBytes / 128;
    this.homeBuckets = chunkBytes / 2 / bucketBytes;
    assert(tableOffset + this.chunkNumbers * 8 <= chunkBytes / 2, "the root chunk is too small");
  }

  /** The table's generation: a number word. */
  get generationWord(): Address {
    return rootWords.tableGeneration;
  }

  leaseRecord(index: number): Address {
    assert(index >= 0 && index < leaseRecordCount, `lease record ${index}`);
    return addressOf(0, leaseRecordsOffset + index * leaseRecordBytes);
  }

  tableWord(chunk: number): Address {
    assert(chunk >= 0 && chunk < this.chunkNumbers, `chunk number ${chunk}`);
    return addressOf(0, tableOffset + chunk * 8);
  }

  homeBucket(index: number): Address {
    assert(index >= 0 && index < this.homeBuckets, `home bucket ${index}`);
    return addressOf(0, this.chunkBytes / 2 + index * bucketBytes);
  }
}
