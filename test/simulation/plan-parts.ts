// What the plans of Clover's and Central's simulations draw from alike: chunks, values, keys, and
// what goes wrong on the way to a server.

import { Prng } from "@pdpm/base";
import { type Key, toKey } from "@pdpm/kv";
import type { WayFaults } from "./faulty-way.ts";

/**
 * The smallest chunk that the regions' headers fit in, for they are read like one. It has 32 of the
 * smallest buffers, all in one span.
 */
export const chunkBytes = 4096;

/** Bytes of values: small ones; then such that a chunk has 8 buffers or less, of some classes. */
export const sizeLists: readonly (readonly number[])[] = [
  [10],
  [10, 20, 60],
  [10, 130],
  [300, 400],
  [60, 400, 900],
  [400, 900, 1500],
];

export const names: readonly Key[] = Array.from({ length: 8 }, (_, i) => toKey(`k${i}`));

/** One of them. */
export function pick<T>(prng: Prng, list: readonly T[]): T {
  return list[prng.below(list.length)] as T;
}

/** For how long a client is cut off from its server, in micro-steps: longer than a call takes. */
export const cutOffStepsMost = 5000;

/** How often a client of a networked store of this seed is cut off, per micro-step. */
export function cutOffChanceOf(seed: number): number {
  const prng = new Prng(`cut off ${seed}`);
  return prng.chance(0.25) ? pick(prng, [1 / 500, 1 / 3000]) : 0;
}

export function wayFaultsOf(prng: Prng): WayFaults {
  return {
    lossChance: prng.chance(0.5) ? pick(prng, [0.02, 0.1, 0.3]) : 0,
    repeatChance: prng.chance(0.5) ? pick(prng, [0.02, 0.2]) : 0,
    delayChance: prng.chance(0.5) ? 0.1 : 0,
    delayStepsMost: pick(prng, [100, 1000, 5000]),
  };
}
