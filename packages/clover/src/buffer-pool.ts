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
  offsetOf,
  type Pointer,
  pointerTo,
} from "@pdpm/layout";
import { bitmapBytes, type SpanPart } from "@pdpm/metadata-server/protocol";

/** A leased span: how many of its buffers are still in hand (in the pool, held, or in doubt). */
interface Lease {
  readonly chunk: number;
  readonly span: number;
  readonly sizeClass: number;
  inHand: number;
  /** Buffers that are not in hand any more, and not linked either. */
  readonly unused: Uint8Array;
}

/** The pool of one session. */
export class BufferPool {
  readonly #free = new Map<number, Pointer[]>();
  readonly #leases = new Map<string, Lease>();
  /** Spans of which nothing is in hand any more: to be reported. */
  readonly #spent: Lease[] = [];
  /** Classes whose refill is under way in some operation. */
  readonly refilling: Set<number> = new Set<number>();
  /** How much the next refill of a class asks for. */
  readonly #wanted = new Map<number, number>();

  /** A buffer of this class, or undefined when none is in hand. */
  take(sizeClass: number): Pointer | undefined {
    return this.#free.get(sizeClass)?.pop();
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
    if (isUnused) mark(lease.unused, sizeClass, pointer);
    if (lease.inHand > 0) return;
    this.#leases.delete(key);
    this.#spent.push(lease);
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
    const wanted = Math.min(this.#wanted.get(sizeClass) ?? 32, most);
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

  /** Whether some span is used up and not reported. */
  get hasSpent(): boolean {
    return this.#spent.length > 0;
  }

  /** A lease was granted; `pointers` are its buffers, each in its next life. */
  add(sizeClass: number, chunk: number, span: number, pointers: readonly Pointer[]): void {
    const unused = new Uint8Array(bitmapBytes);
    const lease = { chunk, span, sizeClass, inHand: pointers.length, unused };
    if (pointers.length === 0) {
      this.#spent.push(lease);
      return;
    }
    this.#leases.set(`${chunk}.${span}`, lease);
    // Taken from the end: neighbours are used one after the other, lowest first.
    this.#list(sizeClass).unshift(...[...pointers].reverse());
  }

  /** Spans to be reported as used up; reported once. */
  takeSpent(): SpanPart[] {
    return this.#spent
      .splice(0)
      .map(({ chunk, span, unused }) => ({ chunk, span, bitmap: unused }));
  }

  /** They could not be reported. */
  returnSpent(spans: readonly SpanPart[]): void {
    for (const { chunk, span, bitmap } of spans) {
      this.#spent.push({ chunk, span, sizeClass: -1, inHand: 0, unused: bitmap });
    }
  }

  /**
   * Takes every buffer out of the pool that is of a span with nothing else in hand, for giving the
   * span back; `matches` chooses among the spans' chunks.
   */
  takeIdle(matches: (chunk: number) => boolean = () => true): SpanPart[] {
    const parts: SpanPart[] = [];
    for (const [sizeClass, list] of this.#free) {
      const bySpan = new Map<string, Pointer[]>();
      for (const pointer of list) {
        const key = nameOf(addressIn(pointer), sizeClass);
        const some = bySpan.get(key);
        if (some === undefined) bySpan.set(key, [pointer]);
        else some.push(pointer);
      }
      const taken = new Set<Pointer>();
      for (const [key, pointers] of bySpan) {
        const lease = this.#leases.get(key);
        assert(lease !== undefined, "a buffer in the pool is of a leased span");
        if (!matches(lease.chunk) || lease.inHand !== pointers.length) continue;
        this.#leases.delete(key);
        for (const pointer of pointers) taken.add(pointer);
        const { chunk, span, unused } = lease;
        for (const pointer of pointers) mark(unused, sizeClass, pointer);
        parts.push({ chunk, span, bitmap: unused });
      }
      this.#free.set(
        sizeClass,
        list.filter((pointer) => !taken.has(pointer)),
      );
    }
    return parts;
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

/** The life that a buffer whose self word is `word` has next; undefined when it is damaged. */
export function nextLife(
  address: Address,
  word: bigint,
  gcVersionMost: number,
): Pointer | undefined {
  if (word === 0n) return pointerTo(address, 1);
  const gcVersion = gcVersionIn(word);
  if (gcVersion === 0 || gcVersion >= gcVersionMost) return undefined;
  return word === pointerTo(address, gcVersion) ? pointerTo(address, gcVersion + 1) : undefined;
}

function nameOf(address: Address, sizeClass: number): string {
  const index = Math.floor(offsetOf(address) / bufferBytes(sizeClass));
  return `${chunkOf(address)}.${Math.floor(index / buffersPerSpan(sizeClass))}`;
}

function mark(bitmap: Uint8Array, sizeClass: number, pointer: Pointer): void {
  const index = Math.floor(offsetOf(addressIn(pointer)) / bufferBytes(sizeClass));
  const n = index % buffersPerSpan(sizeClass);
  bitmap[n >> 3] = (bitmap[n >> 3] as number) | (1 << (n & 7));
}
