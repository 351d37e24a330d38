// Latencies of operations, counted by hdr-histogram-js to three significant digits. Recording there
// takes 150 to 230 ns (measured), a tenth of a mapped get or more; latencies below 32 microseconds
// are therefore counted in a plain array first, 2 ns each, and poured in when somebody looks.

import { assert } from "@pdpm/base";
import {
  build,
  decodeFromCompressedBase64,
  encodeIntoCompressedBase64,
  type Histogram,
} from "hdr-histogram-js";

/** Longer latencies count as this long: an hour. */
const nanosecondsMax = 3_600_000_000_000;

/** Latencies below this are counted apart first. */
const shortNanosecondsMax = 32_768;

/** The numbers a bench reports; all 0 when nothing was recorded. To three digits, rounded up. */
export interface LatencySummary {
  readonly count: number;
  readonly meanNanoseconds: number;
  readonly p50Nanoseconds: number;
  readonly p90Nanoseconds: number;
  readonly p99Nanoseconds: number;
  readonly p999Nanoseconds: number;
  readonly maxNanoseconds: number;
}

/** Counts latencies; can travel between processes as text. */
export class Latencies {
  readonly #histogram: Histogram;
  readonly #short = new Uint32Array(shortNanosecondsMax);

  constructor() {
    this.#histogram = build({
      bitBucketSize: 32,
      autoResize: false,
      lowestDiscernibleValue: 1,
      highestTrackableValue: nanosecondsMax,
      numberOfSignificantValueDigits: 3,
    });
  }

  /** What `encode` gave, in another process. */
  static decode(encoded: string): Latencies {
    const latencies = new Latencies();
    latencies.#histogram.add(decodeFromCompressedBase64(encoded, 32));
    return latencies;
  }

  /** Counts one operation. */
  record(nanoseconds: number): void {
    assert(nanoseconds >= 0, `a latency is not negative or NaN: ${nanoseconds}`);
    const rounded = Math.round(nanoseconds);
    if (rounded < shortNanosecondsMax) {
      this.#short[rounded] = (this.#short[rounded] ?? 0) + 1;
    } else {
      this.#histogram.recordValue(Math.min(rounded, nanosecondsMax));
    }
  }

  /** Adds all that `other` has counted. */
  add(other: Latencies): void {
    other.#pour();
    this.#histogram.add(other.#histogram);
  }

  /** All counts as text. */
  encode(): string {
    this.#pour();
    return encodeIntoCompressedBase64(this.#histogram);
  }

  summary(): LatencySummary {
    this.#pour();
    const histogram = this.#histogram;
    return {
      count: histogram.totalCount,
      meanNanoseconds: histogram.mean,
      p50Nanoseconds: histogram.getValueAtPercentile(50),
      p90Nanoseconds: histogram.getValueAtPercentile(90),
      p99Nanoseconds: histogram.getValueAtPercentile(99),
      p999Nanoseconds: histogram.getValueAtPercentile(99.9),
      maxNanoseconds: histogram.getValueAtPercentile(100),
    };
  }

  #pour(): void {
    for (const [nanoseconds, count] of this.#short.entries()) {
      if (count > 0) this.#histogram.recordValueWithCount(nanoseconds, count);
    }
    this.#short.fill(0);
  }
}
