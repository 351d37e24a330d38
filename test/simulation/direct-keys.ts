// Keys that make trouble for each other: with one home bucket, some with one fingerprint as well.
// Found by hashing names until enough of them fell together.

import { type Key, keyBytes, toKey } from "@pdpm/kv";
import { checksum64, fingerprintLimit, RootGeometry } from "@pdpm/layout";

/** The smallest chunk that a root chunk fits in. */
export const chunkBytes: number = 2 ** 20;

/** Keys of one home bucket, grouped by fingerprint: the groups of several keys come first. */
export interface Family {
  /** Number of the home bucket. */
  readonly home: number;
  readonly groups: readonly (readonly Key[])[];
}

const namesTried = 160_000;

/**
 * The home bucket's number of a key, and its fingerprint: as packages/direct/src/bucket-chain.ts.
 */
export function homeAndFingerprint(key: Key): { home: number; fingerprint: number } {
  const hash = checksum64(keyBytes(key));
  const { homeBuckets } = new RootGeometry(chunkBytes);
  return {
    home: Number(hash & 0xffffffffn) % homeBuckets,
    fingerprint: Number(hash >> 32n) % fingerprintLimit,
  };
}

function findFamilies(count: number): Family[] {
  const homes = new Map<number, Map<number, Key[]>>();
  for (let i = 0; i < namesTried; i += 1) {
    const key = toKey(`k${i}`);
    const { home, fingerprint } = homeAndFingerprint(key);
    // A few homes are enough; the others need no room.
    if (home >= count) continue;
    const groups = homes.get(home) ?? new Map<number, Key[]>();
    homes.set(home, groups);
    groups.set(fingerprint, [...(groups.get(fingerprint) ?? []), key]);
  }
  return [...homes].map(([home, groups]) => ({
    home,
    groups: [...groups.values()].sort((a, b) => b.length - a.length),
  }));
}

/** Four home buckets with some 75 keys each, two or more of them with one fingerprint. */
export const families: readonly Family[] = findFamilies(4);
