// Buffers in hand: leased to this client, not linked to anything. By size class; each with the GC
// version that its next life has.
//
// Invariant: a buffer is in the pool, or an operation holds it, or it is in doubt, or it is linked
// (and then no affair of the pool's any more). Never two of these, so no two versions share one.

import { assert } from "@pdpm/base";
import {
  type Address,
  addressIn,
  addressOf,
  bufferBytes,
  buffersPerSpan,
  chunkOf,
  gcVersionIn,
  gcVersionMost,
  offsetOf,
  type Pointer,
  pointerTo,
} from "@pdpm/layout";
import {
  bitmapBytes,
  type ReturnedPart,
  type SpanName,
  type SpanPart,
} from "@pdpm/metadata-server/protocol";

/** A leased span: how many of its buffers are still in hand (in the pool, held, or in doubt). */
interface Lease {
  readonly chunk: number;
  readonly span: number;
  readonly sizeClass: number;
  inHand: number;
  /** Buffers that are not in hand any more, and not linked either. */
  readonly unused: Uint8Array;
  /** Those among them whose GC version is used up. */
  readonly spent: Uint8Array;
}

/** Buffers that the first lease of a class asks for. */
const firstWanted = 128;

/** The pool of one session. */
export class BufferPool {
  readonly #free = new Map<number, Pointer[]>();
  readonly #leases = new Map<string, Lease>();
  /** Spans of which nothing is in hand any more: to be reported. */
  readonly #toReport: ReturnedPart[] = [];
  /** Classes whose refill is under way in some operation. */
  readonly refilling: Set<number> = new Set<number>();
  /** How much the next refill of a class asks for. */
  readonly #wanted = new Map<number, number>();

  /** A buffer of this class that `isFit`, or undefined when none is in hand. */
  take(sizeClass: number, isFit?: (pointer: Pointer) => boolean): Pointer | undefined {
    const list = this.#free.get(sizeClass);
    if (list === undefined || isFit === undefined) return list?.pop();
    const at = list.findLastIndex(isFit);
    return at < 0 ? undefined : list.splice(at, 1)[0];
  }

  /** Gives back a buffer that was taken and not linked. */
  give(sizeClass: number, pointer: Pointer): void {
    this.#list(sizeClass).push(pointer);
  }

  /** `pointer` is not ours any more: it is linked; or not, and is to be free. */
  used(sizeClass: number, pointer: Pointer, isUnused = false): void {
    const key = nameOf(addressIn(pointer), sizeClass);
    const lease = this.#leases.get(key);
    assert(lease !== undefined && lease.inHand > 0, "a used buffer was in hand");
    lease.inHand -= 1;
    if (isUnused) markUnused(lease, pointer);
    this.#endIfEmpty(key, lease);
  }

  /** Buffers of this class in the pool. */
  count(sizeClass: number): number {
    return this.#free.get(sizeClass)?.length ?? 0;
  }

  /** Every class with buffers in the pool. */
  classes(): number[] {
    return [...this.#free.keys()].filter((sizeClass) => this.count(sizeClass) > 0);
  }

  /** Buffers that the next refill of a class should ask for; doubles from refill to refill. */
  want(sizeClass: number): number {
    const most = Math.max(1, Math.min(4096, Math.floor(2 ** 22 / bufferBytes(sizeClass))));
    const wanted = Math.min(this.#wanted.get(sizeClass) ?? firstWanted, most);
    this.#wanted.set(sizeClass, wanted * 2);
    return wanted;
  }

  /** Below this many buffers housekeeping refills a class. */
  lowWater(sizeClass: number): number {
    return Math.floor((this.#wanted.get(sizeClass) ?? 0) / 4);
  }

  /** Classes in use that housekeeping should refill. */
  lowClasses(): number[] {
    return [...this.#wanted.keys()].filter(
      (sizeClass) => this.count(sizeClass) < this.lowWater(sizeClass),
    );
  }

  /** Space is short: refills begin small again, and nothing is kept ready. */
  becomeModest(): void {
    this.#wanted.clear();
  }

  /** Whether some span is used up and not reported. */
  get hasSpansToReport(): boolean {
    return this.#toReport.length > 0;
  }

  /**
   * A lease was granted; `pointers` are its buffers, each in its next life, and `spent` those that
   * have none.
   */
  add(
    sizeClass: number,
    { chunk, span }: SpanName,
    pointers: readonly Pointer[],
    spent: Uint8Array = new Uint8Array(bitmapBytes),
  ): void {
    const unused = new Uint8Array(bitmapBytes);
    const lease: Lease = { chunk, span, sizeClass, inHand: pointers.length, unused, spent };
    const name = `${chunk}.${span}`;
    assert(!this.#leases.has(name), `span ${name} is leased to this client already`);
    this.#leases.set(name, lease);
    // Taken from the end: neighbours are used one after the other, lowest first.
    this.#list(sizeClass).unshift(...[...pointers].reverse());
    this.#endIfEmpty(name, lease);
  }

  /** Spans to be given back, of which nothing is in hand; taken once. */
  takeSpansToReport(): ReturnedPart[] {
    return this.#toReport.splice(0);
  }

  /** They certainly were not given back; or were leased and not looked at. */
  keepToReport(spans: readonly ReturnedPart[]): void {
    this.#toReport.push(...spans);
  }

  /**
   * Takes the buffers in the pool out of it that are of chunks which `matches` chooses: they are to
   * be given back. A span of which an operation still holds a buffer follows when that one ends.
   */
  withdraw(matches: (chunk: number, sizeClass: number) => boolean): void {
    for (const [sizeClass, list] of this.#free) {
      const kept: Pointer[] = [];
      for (const pointer of list) {
        if (!matches(chunkOf(addressIn(pointer)), sizeClass)) {
          kept.push(pointer);
          continue;
        }
        this.used(sizeClass, pointer, true);
      }
      this.#free.set(sizeClass, kept);
    }
  }

  #endIfEmpty(name: string, lease: Lease): void {
    if (lease.inHand > 0) return;
    this.#leases.delete(name);
    const { chunk, span, unused, spent } = lease;
    this.#toReport.push({ chunk, span, bitmap: unused, spent });
  }

  #list(sizeClass: number): Pointer[] {
    let list = this.#free.get(sizeClass);
    if (list === undefined) {
      list = [];
      this.#free.set(sizeClass, list);
    }
    return list;
  }
}

/** The addresses of the buffers in a span part, lowest first. */
export function addressesIn(part: SpanPart, sizeClass: number): Address[] {
  const bytes = bufferBytes(sizeClass);
  const first = part.span * buffersPerSpan(sizeClass);
  const addresses: Address[] = [];
  for (let n = 0; n < bitmapBytes * 8; n += 1) {
    if (((part.bitmap[n >> 3] as number) & (1 << (n & 7))) === 0) continue;
    addresses.push(addressOf(part.chunk, (first + n) * bytes));
  }
  return addresses;
}

/**
 * The life that a buffer whose self word is `word` has next; "spent" when there is none, undefined
 * when the word is damaged.
 */
export function nextLife(address: Address, word: bigint): Pointer | "spent" | undefined {
  if (word === 0n) return pointerTo(address, 1);
  const gcVersion = gcVersionIn(word);
  if (gcVersion === 0 || word !== pointerTo(address, gcVersion)) return undefined;
  return gcVersion === gcVersionMost ? "spent" : pointerTo(address, gcVersion + 1);
}

/** Sets the bit of a buffer in its span's bitmap. */
export function markIn(bitmap: Uint8Array, sizeClass: number, address: Address): void {
  const n = Math.floor(offsetOf(address) / bufferBytes(sizeClass)) % buffersPerSpan(sizeClass);
  bitmap[n >> 3] = (bitmap[n >> 3] as number) | (1 << (n & 7));
}

function nameOf(address: Address, sizeClass: number): string {
  const index = Math.floor(offsetOf(address) / bufferBytes(sizeClass));
  return `${chunkOf(address)}.${Math.floor(index / buffersPerSpan(sizeClass))}`;
}

/** A life that was the last one may have been written: it is used up either way. */
function markUnused({ unused, spent, sizeClass }: Lease, pointer: Pointer): void {
  const isLast = gcVersionIn(pointer) === gcVersionMost;
  markIn(isLast ? spent : unused, sizeClass, addressIn(pointer));
}
