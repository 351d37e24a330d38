// Which keys are asked for, drawn before the clock runs: zipfian (by its cumulative sums) or
// uniform, always the same for the same seed.

import { Prng } from "@pdpm/base";

/** `count` indices below `keyCount`; popular ones are not neighbours. */
export function drawRequests(
  distribution: "zipfian" | "uniform",
  keyCount: number,
  count: number,
): Uint32Array {
  const prng = new Prng(`requests/${distribution}`);
  if (distribution === "uniform") {
    return Uint32Array.from({ length: count }, () => prng.below(keyCount));
  }
  const sums = cumulativeSums(keyCount);
  const places = shuffled(prng.fork("places"), keyCount);
  const total = sums[keyCount - 1] ?? 0;
  return Uint32Array.from({ length: count }, () => {
    return places[firstAbove(sums, prng.float() * total)] ?? 0;
  });
}

/** The skew that YCSB calls zipfian. */
const theta = 0.99;

function cumulativeSums(count: number): Float64Array {
  const sums = new Float64Array(count);
  let sum = 0;
  for (let rank = 0; rank < count; rank += 1) {
    sum += (rank + 1) ** -theta;
    sums[rank] = sum;
  }
  return sums;
}

function firstAbove(sums: Float64Array, value: number): number {
  let low = 0;
  let high = sums.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sums[middle] ?? 0) > value) high = middle;
    else low = middle + 1;
  }
  return low;
}

function shuffled(prng: Prng, count: number): Uint32Array {
  const places = Uint32Array.from({ length: count }, (_, index) => index);
  for (let at = count - 1; at > 0; at -= 1) {
    const other = prng.below(at + 1);
    const kept = places[at] ?? 0;
    places[at] = places[other] ?? 0;
    places[other] = kept;
  }
  return places;
}
