// Cells in hand: leased to this coordinator, not mapped. By size class; each with the GC version
// that its next life has.
//
// Invariant: a cell is in the pool, or an operation holds it, or it waits to be wiped, or it is in
// doubt, or it is mapped (and then no affair of the pool's any more). Never two of these, so no two
// values share one.

import { assert } from "@pdpm/base";
import {
  type Address,
  addressIn,
  addressOf,
  bufferBytes,
  buffersPerSpan,
  chunkOf,
  offsetOf,
  type Pointer,
} from "@pdpm/layout";
import {
  bitmapBytes,
  type ReturnedPart,
  type SpanName,
  type SpanPart,
  type Ticket,
} from "@pdpm/metadata-server/protocol";

/** Buffers that one refill asks for at first, at most, and in bytes at most. */
const firstRefill = 32;
const refillMost = 4096;
const refillBytesMost: number = 2 ** 22;

/** A leased span, and what became of its cells. */
interface Lease extends SpanName {
  readonly sizeClass: number;
  /** In the pool, held, waiting to be wiped, or in doubt. */
  inHand: number;
  /** Not in hand any more, and not mapped either. */
  readonly unused: Uint8Array;
  /** GC version used up without ever having been mapped. */
  readonly spent: Uint8Array;
}

/** A span that was granted, with its class. */
export interface GrantedPart extends SpanPart {
  readonly sizeClass: number;
}

/** Spans whose lease ends, as the service is told (give-back.ts). */
export interface SpanReport {
  readonly ticket: Ticket;
  readonly spans: readonly ReturnedPart[];
  /** Some operation waits for the reply. */
  isUnderWay: boolean;
}

/** A span as one word, for maps. */
function nameOf(chunk: number, span: number): number {
  return chunk * 2 ** 16 + span;
}

/** The pool of one session. */
export class CellPool {
  readonly #free = new Map<number, Pointer[]>();
  readonly #leases = new Map<number, Lease>();
  /** Spans of which nothing is in hand any more: to be reported. */
  #usedUp: ReturnedPart[] = [];
  /** Spans that were reported: the service has not answered yet. */
  readonly reports: Set<SpanReport> = new Set<SpanReport>();
  /** Granted, but not looked at yet: which life each cell has next is not known. */
  readonly granted: GrantedPart[] = [];
  /** Classes whose refill is under way in some operation. */
  readonly refilling: Set<number> = new Set<number>();
  /** How much the next refill of a class asks for. */
  readonly #wanted = new Map<number, number>();

  /** A cell of this class, or undefined when none is in hand. */
  take(sizeClass: number): Pointer | undefined {
    return this.#free.get(sizeClass)?.pop();
  }

  /** Gives back a cell that was taken, not mapped, and is wiped. */
  give(sizeClass: number, pointer: Pointer): void {
    this.#list(sizeClass).push(pointer);
  }

  /** `pointer` is mapped: it is not ours any more. */
  mapped(sizeClass: number, pointer: Pointer): void {
    const place = placeOf(addressIn(pointer), sizeClass);
    const name = nameOf(place.chunk, place.span);
    const lease = this.#leases.get(name);
    assert(lease !== undefined && lease.inHand > 0, "a cell that was mapped was in hand");
    lease.inHand -= 1;
    if (lease.inHand > 0) return;
    this.#leases.delete(name);
    this.#usedUp.push(partOf(lease));
  }

  /** Cells of this class in the pool. */
  count(sizeClass: number): number {
    return this.#free.get(sizeClass)?.length ?? 0;
  }

  /** Whether this span is leased, as far as this session knows. */
  holds({ chunk, span }: SpanName): boolean {
    return this.#leases.has(nameOf(chunk, span));
  }

  /** Cells that the next refill of a class should ask for; doubles from refill to refill. */
  want(sizeClass: number): number {
    const inBytes = Math.floor(refillBytesMost / bufferBytes(sizeClass));
    const most = Math.max(1, Math.min(refillMost, inBytes));
    const wanted = Math.min(this.#wanted.get(sizeClass) ?? firstRefill, most);
    this.#wanted.set(sizeClass, wanted * 2);
    return wanted;
  }

  /** Forgets how much was asked for: no class runs low before a write needs it. */
  becomeModest(): void {
    this.#wanted.clear();
  }

  /** Below this many cells housekeeping refills a class. */
  lowWater(sizeClass: number): number {
    return Math.floor((this.#wanted.get(sizeClass) ?? 0) / 4);
  }

  /** Classes in use that housekeeping should refill. */
  lowClasses(): number[] {
    return [...this.#wanted.keys()].filter(
      (sizeClass) => this.count(sizeClass) < this.lowWater(sizeClass),
    );
  }

  /** A granted span was looked at: `pointers` are its cells, each in its next life. */
  add(sizeClass: number, part: SpanName, pointers: readonly Pointer[], spent: Uint8Array): void {
    const { chunk, span } = part;
    const unused = new Uint8Array(bitmapBytes);
    const lease = { chunk, span, sizeClass, inHand: pointers.length, unused, spent };
    if (pointers.length === 0) {
      this.#usedUp.push(partOf(lease));
      return;
    }
    this.#leases.set(nameOf(chunk, span), lease);
    // Taken from the end: neighbours are used one after the other, lowest first.
    this.#list(sizeClass).unshift(...[...pointers].reverse());
  }

  /** Whether there is anything to report, or a report without a reply. */
  get hasUsedUp(): boolean {
    return this.#usedUp.length > 0 || this.reports.size > 0;
  }

  /** Spans to be reported as used up; the caller reports them (give-back.ts). */
  takeUsedUp(): readonly ReturnedPart[] {
    const parts = this.#usedUp;
    this.#usedUp = [];
    return parts;
  }

  /**
   * Takes every cell out of the pool that is of a span with nothing else in hand, for giving the
   * span back; `matches` chooses among the spans' chunks.
   */
  takeIdle(matches: (chunk: number) => boolean): readonly ReturnedPart[] {
    const parts: ReturnedPart[] = [];
    for (const [sizeClass, list] of this.#free) {
      const bySpan = new Map<number, Pointer[]>();
      for (const pointer of list) {
        const { chunk, span } = placeOf(addressIn(pointer), sizeClass);
        const some = bySpan.get(nameOf(chunk, span));
        if (some === undefined) bySpan.set(nameOf(chunk, span), [pointer]);
        else some.push(pointer);
      }
      const taken = new Set<Pointer>();
      for (const [name, pointers] of bySpan) {
        const lease = this.#leases.get(name);
        assert(lease !== undefined, "a cell in the pool is of a leased span");
        if (!matches(lease.chunk) || lease.inHand !== pointers.length) continue;
        this.#leases.delete(name);
        for (const pointer of pointers) {
          taken.add(pointer);
          setBit(lease.unused, placeOf(addressIn(pointer), sizeClass).bit);
        }
        parts.push(partOf(lease));
      }
      const kept = list.filter((pointer) => !taken.has(pointer));
      this.#free.set(sizeClass, kept);
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

function partOf({ chunk, span, unused, spent }: Lease): ReturnedPart {
  return { chunk, span, bitmap: unused, spent };
}

/** Where a cell stands in the service's records. */
function placeOf(address: Address, sizeClass: number): SpanName & { readonly bit: number } {
  const index = Math.floor(offsetOf(address) / bufferBytes(sizeClass));
  const perSpan = buffersPerSpan(sizeClass);
  return { chunk: chunkOf(address), span: Math.floor(index / perSpan), bit: index % perSpan };
}

/** A cell, and its bit in its span's bitmaps. */
export interface Cell {
  readonly address: Address;
  readonly bit: number;
}

/** The cells of a span part, lowest first. */
export function cellsIn(part: SpanPart, sizeClass: number): readonly Cell[] {
  const bytes = bufferBytes(sizeClass);
  const first = part.span * buffersPerSpan(sizeClass);
  const cells: Cell[] = [];
  for (let bit = 0; bit < bitmapBytes * 8; bit += 1) {
    if (((part.bitmap[bit >> 3] as number) & (1 << (bit & 7))) === 0) continue;
    cells.push({ address: addressOf(part.chunk, (first + bit) * bytes), bit });
  }
  return cells;
}

/** Sets one bit of a span's bitmap. */
export function setBit(bitmap: Uint8Array, bit: number): void {
  bitmap[bit >> 3] = (bitmap[bit >> 3] as number) | (1 << (bit & 7));
}
